/** A drain serves clients that have begun to connect. */
import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { check } from "../../src/posix/errno.ts";
import { Fd } from "../../src/posix/fd.ts";
import { pollLater, receiveNow, sendNow } from "../../src/posix/io.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { encodeAddress } from "../../src/posix/net/address.ts";
import {
  handshakes,
  hasSocketDiagnostics,
} from "../../src/posix/net/socket_diagnostics.ts";
import { prepareFilter } from "../../src/posix/seccomp/filter.ts";
import { mayFilterPackets } from "../helpers/packet_filters.ts";
import { startServer } from "../helpers/server.ts";
import { test, unlessHeldUp, until } from "../helpers/testing.ts";
import { connect } from "../helpers/wire_client.ts";

const libc = cLibrary("connect", "setsockopt", "socket");

const SO_ATTACH_FILTER = 26, SO_DETACH_FILTER = 27; // asm-generic/socket.h
/** A filter that lets no byte through: `BPF_RET_K` of 0, linux/bpf_common.h. */
const NOTHING = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0);
const SOCK_NONBLOCK = 0o4000;
/** The server's answer to a SYN is sent again after a second. */
const AGAIN = 1_000;
const linuxOnly = {
  ignore: !hasSocketDiagnostics || !mayFilterPackets("handshakes"),
};

/** A client whose SYN has gone, and who hears nothing until `listen`. */
function halfOpen(port: number): { fd: Fd; listen: () => void } {
  const type = abi.SOCK_STREAM | SOCK_NONBLOCK | abi.SOCK_CLOEXEC;
  const fd = new Fd(check(libc.socket(abi.AF_INET, type, 0), "socket"));
  const option = (name: number, value: Uint8Array<ArrayBuffer>) =>
    check(
      libc.setsockopt(fd.number, abi.SOL_SOCKET, name, value, value.length),
      "setsockopt",
    );
  option(SO_ATTACH_FILTER, prepareFilter(NOTHING).program);
  const address = encodeAddress({
    transport: "tcp",
    hostname: "127.0.0.1",
    port,
  });
  libc.connect(fd.number, address, address.length); // EINPROGRESS
  const listen = () => option(SO_DETACH_FILTER, new Uint8Array(4));
  return { fd, listen };
}

const address = (port: number) =>
  ({ transport: "tcp", hostname: "127.0.0.1", port }) as const;

test("handshakes: are counted until they are finished", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assert.equal(handshakes(address(port)), 0);
  const { fd, listen } = halfOpen(port);
  using _ = fd;
  await until("it has begun", () => handshakes(address(port)) === 1);
  assert.equal(handshakes({ ...address(port), hostname: "127.0.0.2" }), 0);
  listen();
  await until("it is finished", () => handshakes(address(port)) === 0);
  (await listener.accept()).close();
}, linuxOnly);

test(
  "drain: who has begun to connect is served, however long the last packet takes",
  unlessHeldUp(AGAIN, async () => {
    await using server = await startServer({ model: "spawn" });
    const { fd, listen } = halfOpen(server.port);
    using _ = fd;
    await until("it has begun", () => handshakes(address(server.port)) === 1);
    server.signal("SIGTERM");
    await server.log.waitFor(/received/);
    listen();
    assert.ok(await pollLater(fd.number, abi.POLLOUT, 10 * AGAIN));
    await server.log.waitFor(/^draining/);
    const bytes = new TextEncoder().encode("hello");
    assert.equal(sendNow(fd.number, bytes), bytes.length);
    const echo = new Uint8Array(5);
    await until("it is served", () => receiveNow(fd.number, echo) === 5);
    assert.deepEqual(echo, bytes);
    await assert.rejects(connect(server.port), Deno.errors.ConnectionRefused);
  }),
  linuxOnly,
);

test(
  "drain: who never finishes to connect does not keep a server that is told twice",
  async () => {
    await using server = await startServer({ model: "spawn" });
    const { fd } = halfOpen(server.port);
    using _ = fd;
    await until("it has begun", () => handshakes(address(server.port)) === 1);
    server.signal("SIGTERM");
    await server.log.waitFor(/received/);
    assert.equal((await server.stop()).code, 0);
  },
  linuxOnly,
);
