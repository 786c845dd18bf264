import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { decodeAddress } from "../../src/posix/net/address.ts";
import { openDescriptors } from "../../src/posix/fd.ts";
import { read, write } from "../../src/posix/io.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { descriptorTarget } from "../../src/posix/proc.ts";
import {
  findConnection,
  findListener,
} from "../../src/posix/net/runtime_sockets.ts";
import {
  accept,
  type Accepted,
  isListening,
  localAddress,
  setBacklog,
  setTimeouts,
  shutdownWrite,
  socketPair,
} from "../../src/posix/net/sockets.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { reset } from "../helpers/wire_client.ts";

const libc = cLibrary("fcntl", "getsockopt");

/** Accepts the connection that is on its way. */
async function take(listener: number): Promise<Accepted> {
  let accepted: Accepted | null = null;
  await until("a connection is there", () => {
    accepted = accept(listener);
    return accepted !== null;
  });
  return accepted!;
}

for (const hostname of ["127.0.0.1", "::1", "::", "0.0.0.0"]) {
  test(`findListener: finds the listener on ${hostname}, and accept its connection`, async () => {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const fd = findListener(listener.addr);
    assert.deepEqual(localAddress(fd), { transport: "tcp", hostname, port });
    using conn = await Deno.connect({
      hostname: hostname.includes(":") ? "::1" : "127.0.0.1",
      port,
    });
    const { fd: accepted, peer } = await take(fd);
    using _ = accepted;
    assert.deepEqual(decodeAddress(peer), { ...conn.localAddr });
  });
}

test("accept: an IPv4 client of :: is shown as IPv4", async () => {
  using listener = Deno.listen({ hostname: "::", port: 0 });
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const { fd, peer } = await take(findListener(listener.addr));
  using accepted = fd;
  assert.deepEqual(decodeAddress(peer), { ...conn.localAddr });
  assert.deepEqual(localAddress(accepted.number), { ...conn.remoteAddr });
});

test("findListener, accept: work on a Unix domain socket", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/socket`;
  using listener = Deno.listen({ transport: "unix", path });
  const fd = findListener(listener.addr);
  using _ = await Deno.connect({ transport: "unix", path });
  const { fd: accepted, peer } = await take(fd);
  assert.deepEqual(decodeAddress(peer), { transport: "unix", path: "" });
  assert.deepEqual(localAddress(accepted.number), { transport: "unix", path });
  accepted.close();
});

for (
  const [how, SO_ACCEPTCONN] of [["is", abi.SO_ACCEPTCONN], [
    "is not",
    0,
  ]] as const
) {
  test(`isListening: tells a listener from a connection and a file where the system ${how} asked`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: listener.addr.port,
    });
    const { fd } = await take(findListener(listener.addr));
    using accepted = fd;
    await using directory = temporaryDirectory();
    const path = `${directory.path}/file`;
    using _ = Deno.openSync(path, { write: true, create: true });
    const file = openDescriptors().find((fd) => descriptorTarget(fd) === path);
    const layout = { ...abi, SO_ACCEPTCONN };
    const ours = findListener(listener.addr);
    const theirs = findConnection(conn.localAddr, conn.remoteAddr);
    const found = [ours, accepted.number, theirs, file!].map((fd) =>
      isListening(fd, layout)
    );
    assert.deepEqual(found, [true, false, false, false]);
  });
}

test("accept: null when the backlog is empty", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assert.equal(accept(findListener(listener.addr)), null);
});

test("accept: the connection is blocking, close-on-exec, and carries bytes", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const { fd } = await take(findListener(listener.addr));
  using accepted = fd;
  assert.equal(libc.fcntl(fd.number, abi.F_GETFD, 0), abi.FD_CLOEXEC);
  assert.equal(libc.fcntl(fd.number, abi.F_GETFL, 0) & abi.O_NONBLOCK, 0);
  await conn.write(new Uint8Array([1, 2, 3]));
  const buffer = new Uint8Array(8);
  assert.equal(read(accepted.number, buffer), 3);
  assert.equal(write(accepted.number, buffer.subarray(0, 2)), 2);
  assert.equal(await conn.read(buffer), 2);
});

test("accept: throws the system's error", () => {
  const [a, b] = socketPair();
  using one = a;
  using _ = b;
  assert.throws(() => accept(one.number), {
    name: "PosixError",
    code: "EINVAL",
  });
  assert.throws(() => accept(1 << 30), { code: "EBADF", syscall: "accept4" });
});

test("localAddress: throws for what is no socket", () => {
  assert.throws(() => localAddress(1 << 30), {
    name: "PosixError",
    code: "EBADF",
  });
});

test("shutdownWrite: the peer reads to the end, and can still send", () => {
  const [a, b] = socketPair(1);
  using ours = a;
  using theirs = b;
  write(ours.number, new Uint8Array(5));
  shutdownWrite(ours.number);
  const buffer = new Uint8Array(8);
  assert.deepEqual([5, 0], [
    read(theirs.number, buffer),
    read(theirs.number, buffer),
  ]);
  write(theirs.number, new Uint8Array(3));
  assert.equal(read(ours.number, buffer), 3);
});

test("shutdownWrite: throws for a connection that was reset", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const { fd } = await take(findListener(listener.addr));
  using accepted = fd;
  reset(conn);
  assert.throws(() => read(accepted.number, new Uint8Array(1)), {
    name: "PosixError",
    code: "ECONNRESET",
  });
  assert.throws(() => shutdownWrite(accepted.number), { code: "ENOTCONN" });
});

test("setTimeouts: a blocking read and a blocking write give up", () => {
  const [a, b] = socketPair(1);
  using ours = a;
  using _ = b;
  setTimeouts(ours.number, 30);
  assert.equal(read(ours.number, new Uint8Array(1)), -1);
  const chunk = new Uint8Array(65536);
  let count: number;
  while ((count = write(ours.number, chunk)) > 0);
  assert.equal(count, -1);
});

test("setTimeouts: times of many seconds and of parts of one are kept", () => {
  const [a, b] = socketPair(1);
  using ours = a;
  using _ = b;
  const timeval = new BigInt64Array(2);
  const bytes = new Uint8Array(timeval.buffer);
  for (
    const [milliseconds, seconds, micro] of [[1500, 1n, 500_000n], [
      7_200_000,
      7200n,
      0n,
    ], [0, 0n, 0n]] as const
  ) {
    setTimeouts(ours.number, milliseconds);
    for (const name of [abi.SO_RCVTIMEO, abi.SO_SNDTIMEO]) {
      const length = new Uint8Array(new Uint32Array([16]).buffer);
      assert.equal(
        libc.getsockopt(ours.number, abi.SOL_SOCKET, name, bytes, length),
        0,
      );
      // The kernel counts in ticks of at most 10 ms.
      assert.equal(timeval[0], seconds);
      assert.ok(timeval[1]! - micro < 10_000n);
    }
  }
});

test("setBacklog: keeps a listener listening, and refuses what is none", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  setBacklog(findListener(listener.addr), 1);
  using _ = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  (await listener.accept()).close();
  assert.throws(() => setBacklog(1 << 30, 1), {
    name: "PosixError",
    syscall: "listen",
  });
});
