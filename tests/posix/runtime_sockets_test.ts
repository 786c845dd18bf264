import assert from "node:assert/strict";
import { write } from "../../src/posix/io.ts";
import {
  connections,
  findConnection,
  findListener,
} from "../../src/posix/net/runtime_sockets.ts";
import { localAddress } from "../../src/posix/net/sockets.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";

test("findListener: tells listeners of one port by their host", () => {
  using four = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using other = Deno.listen({ hostname: "127.0.0.2", port: four.addr.port });
  const fds = [four, other].map(({ addr }) => findListener(addr));
  const hosts = fds.map((fd) => (localAddress(fd) as Deno.NetAddr).hostname);
  assert.deepEqual(hosts, ["127.0.0.1", "127.0.0.2"]);
});

test("findListener: throws for an address where nobody listens", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const missing = { name: "TypeError", message: /listening socket/ };
  assert.throws(() => findListener(conn.localAddr), missing);
  assert.throws(
    () => findListener({ ...listener.addr, hostname: "127.0.0.9" }),
    missing,
  );
});

test("findConnection: finds the client's end of a TCP connection", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const options = { hostname: "127.0.0.1", port: listener.addr.port };
  using first = await Deno.connect(options);
  using second = await Deno.connect(options);
  for (const conn of [first, second]) {
    const fd = findConnection(conn.localAddr, conn.remoteAddr);
    assert.deepEqual(localAddress(fd), { ...conn.localAddr });
    // Its number may have been that of one to the same peer just before.
    const before = connections();
    assert.ok(before.has(fd));
    assert.equal(findConnection(conn.localAddr, conn.remoteAddr, before), fd);
  }
  for (let i = 0; i < 2; i++) (await listener.accept()).close();
});

test("findConnection: finds a connection to a Unix domain socket, not one that was there before", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  using first = await Deno.connect({ transport: "unix", path });
  const known = findConnection(first.localAddr, first.remoteAddr);
  const before = connections();
  using second = await Deno.connect({ transport: "unix", path });
  const found = findConnection(second.localAddr, second.remoteAddr, before);
  assert.notEqual(found, known);
  // Its number may have been another connection's just before.
  before.set(found, { transport: "tcp", hostname: "127.0.0.1", port: 9 });
  assert.equal(
    findConnection(second.localAddr, second.remoteAddr, before),
    found,
  );
  (await listener.accept()).close();
  using served = await listener.accept();
  assert.equal(write(found, new Uint8Array([9])), 1);
  assert.equal(await served.read(new Uint8Array(4)), 1);
});

test("findConnection: throws when no socket connects the two", () => {
  const nowhere: Deno.NetAddr = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: 1,
  };
  assert.throws(() => findConnection(nowhere, nowhere), {
    name: "TypeError",
    message: /socket connected to/,
  });
});
