import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { type Fd, setNonblocking } from "../../src/posix/fd.ts";
import { poll, PollSet, read, sameStart, write } from "../../src/posix/io.ts";
import { setTimeouts, socketPair } from "../../src/posix/net/sockets.ts";
import { randomBytes, sameBytes, test } from "../helpers/testing.ts";
import { hangUp } from "./hang_up.ts";

const { POLLHUP, POLLIN, POLLNVAL, POLLOUT } = abi;

const SOCK_STREAM = 1;
const NOT_OPEN = 1 << 30;

/** A stream's two ends, non-blocking, closed at the end of the block. */
function stream(): { a: Fd; b: Fd } & Disposable {
  const [a, b] = socketPair(SOCK_STREAM);
  for (const end of [a, b]) setNonblocking(end.number, true);
  const dispose = () => [a, b].forEach((end) => end.close());
  return { a, b, [Symbol.dispose]: dispose };
}

test("read: -1 when nothing is there, bytes when some are, 0 at the end", async () => {
  using ends = stream();
  const buffer = new Uint8Array(8);
  assert.equal(read(ends.b.number, buffer), -1);
  assert.equal(write(ends.a.number, new Uint8Array([1, 2, 3])), 3);
  assert.equal(read(ends.b.number, buffer), 3);
  assert.deepEqual(buffer.subarray(0, 3), new Uint8Array([1, 2, 3]));
  await hangUp(ends.a, ends.b);
  assert.equal(read(ends.b.number, buffer), 0);
  assert.equal(read(ends.b.number, buffer), 0);
});

test("read: -1 after the time-out of a blocking socket", () => {
  using ends = stream();
  setNonblocking(ends.b.number, false);
  setTimeouts(ends.b.number, 20);
  assert.equal(read(ends.b.number, new Uint8Array(1)), -1);
});

test("read, write: work on a part of a buffer", () => {
  using ends = stream();
  const source = randomBytes(100), target = new Uint8Array(100);
  assert.equal(write(ends.a.number, source.subarray(20, 50)), 30);
  assert.equal(read(ends.b.number, target.subarray(20, 90)), 30);
  const expected = new Uint8Array(100);
  expected.set(source.subarray(20, 50), 20);
  assert.ok(sameBytes(target, expected));
});

test("write: takes what goes, then -1, and every byte arrives once", () => {
  using ends = stream();
  const source = randomBytes(4 << 20);
  let sent = 0;
  for (let count; (count = write(ends.a.number, source.subarray(sent))) > 0;) {
    sent += count;
  }
  assert.ok(sent > 0 && sent < source.length, "a stream holds some, not 4 MiB");
  const target = new Uint8Array(sent + 1);
  let got = 0;
  for (let count; (count = read(ends.b.number, target.subarray(got))) > 0;) {
    got += count;
  }
  assert.ok(sameBytes(target.subarray(0, got), source.subarray(0, sent)));
});

test("write: throws EPIPE when the other end is gone, and no signal ends us", async () => {
  using ends = stream();
  await hangUp(ends.b, ends.a);
  assert.throws(() => write(ends.a.number, new Uint8Array(1)), {
    name: "PosixError",
    code: "EPIPE",
    syscall: "write",
  });
});

test("read, write: throw EBADF for a descriptor that is not open", () => {
  const buffer = new Uint8Array(1);
  assert.throws(() => read(NOT_OPEN, buffer), {
    code: "EBADF",
    syscall: "read",
  });
  assert.throws(() => write(NOT_OPEN, buffer), {
    code: "EBADF",
    syscall: "write",
  });
});

test("poll: tells each descriptor's own readiness", () => {
  using ends = stream();
  const entries = [
    { fd: ends.a.number, events: POLLIN },
    { fd: ends.b.number, events: POLLIN | POLLOUT },
    { fd: -1, events: POLLIN },
    { fd: NOT_OPEN, events: POLLIN },
  ];
  assert.deepEqual(poll(entries, 0), [0, POLLOUT, 0, POLLNVAL]);
  write(ends.a.number, new Uint8Array(1));
  assert.deepEqual(poll(entries), [0, POLLIN | POLLOUT, 0, POLLNVAL]);
});

test("poll: tells a hang-up that nobody asked for", () => {
  using ends = stream();
  ends.a.close();
  const [events] = poll([{ fd: ends.b.number, events: 0 }]);
  assert.equal(events! & POLLHUP, POLLHUP);
});

test("poll: nothing is ready after the time-out", () => {
  using ends = stream();
  assert.deepEqual(poll([{ fd: ends.a.number, events: POLLIN }], 10), [0]);
  assert.deepEqual(poll([], 0), []);
});

test("PollSet.waitFinely: wakes when something is ready, and after less than a millisecond", () => {
  using ends = stream();
  const set = new PollSet([{ fd: ends.b.number, events: POLLIN }]);
  const begin = performance.now();
  for (let i = 0; i < 100; i++) assert.equal(set.waitFinely(0.3), 0);
  assert.ok(performance.now() - begin >= 30, "it does not come back early");
  write(ends.a.number, new Uint8Array(1));
  assert.equal(set.waitFinely(60_000), 1);
  assert.equal(set.ready(0), POLLIN);
});

test("sameStart: compares the beginnings alone", () => {
  const a = new Uint8Array([1, 2, 3, 4]), b = new Uint8Array([1, 2, 9]);
  assert.equal(sameStart(a, b, 2), true);
  assert.equal(sameStart(a, b, 3), false);
});
