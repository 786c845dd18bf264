import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { encodeAddress } from "../../src/posix/net/address.ts";
import { dial, isLocal } from "../../src/posix/net/dialing.ts";
import { setNoDelay } from "../../src/posix/net/sockets.ts";
import { poll, receiveNow, sendNow } from "../../src/posix/io.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { deafPort } from "../helpers/wire_client.ts";

const { FD_CLOEXEC, F_GETFD, F_GETFL, POLLOUT } = abi;

const libc = cLibrary("fcntl");

const listeners:
  readonly (readonly [string, (directory: string) => Deno.Listener])[] = [
    ["127.0.0.1", () => Deno.listen({ hostname: "127.0.0.1", port: 0 })],
    ["::1", () => Deno.listen({ hostname: "::1", port: 0 })],
    [
      "a Unix domain socket",
      (directory) => Deno.listen({ transport: "unix", path: `${directory}/s` }),
    ],
  ];

for (const [where, listen] of listeners) {
  test(`dial: connects to ${where}, without waiting and close-on-exec`, async () => {
    await using directory = temporaryDirectory();
    using listener = listen(directory.path);
    const address = listener.addr as Deno.NetAddr;
    using socket = dial(encodeAddress(address));
    poll([{ fd: socket.number, events: POLLOUT }], 60_000);
    using conn = await listener.accept();
    assert.equal(sendNow(socket.number, new Uint8Array([7])), 1);
    const bytes = new Uint8Array(4);
    assert.equal(await conn.read(bytes), 1);
    assert.equal(bytes[0], 7);
    assert.equal(receiveNow(socket.number, bytes), -1);
    assert.equal(libc.fcntl(socket.number, F_GETFD, 0), FD_CLOEXEC);
    assert.ok(libc.fcntl(socket.number, F_GETFL, 0) & abi.O_NONBLOCK);
    if ("port" in address) setNoDelay(socket.number);
  });
}

test("dial: from the address that it is told", async () => {
  if (Deno.build.os !== "linux") return;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const from = { transport: "tcp", hostname: "127.0.0.9", port: 0 } as const;
  using _ = dial(encodeAddress(listener.addr), encodeAddress(from));
  using conn = await listener.accept();
  assert.equal((conn.remoteAddr as Deno.NetAddr).hostname, "127.0.0.9");
});

test("dial: what stands in the way shows when something is sent", () => {
  using deaf = deafPort();
  const { port } = deaf;
  const hostname = "127.0.0.1";
  using socket = dial(encodeAddress({ transport: "tcp", hostname, port }));
  poll([{ fd: socket.number, events: POLLOUT }], 60_000);
  assert.throws(() => sendNow(socket.number, new Uint8Array(1)), {
    code: "ECONNREFUSED",
  });
});

test("isLocal: tells addresses of this machine from others", () => {
  const tcp = (hostname: string) =>
    isLocal({ transport: "tcp", hostname, port: 9190 });
  assert.ok(tcp("127.0.0.1") && tcp("::1"));
  assert.ok(!tcp("192.0.2.1")); // RFC 5737: nobody's
});
