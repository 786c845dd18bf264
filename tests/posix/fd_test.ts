import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { PosixError } from "../../src/posix/errno.ts";
import {
  Fd,
  openDescriptors,
  setInherit,
  setNonblocking,
} from "../../src/posix/fd.ts";
import { read, write } from "../../src/posix/io.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { getLimit } from "../../src/posix/process.ts";
import { test } from "../helpers/testing.ts";

const { FD_CLOEXEC, F_GETFD, F_GETFL } = abi;

const libc = cLibrary("fcntl");

const CLOSED = { name: "TypeError", message: /it is closed/ };

test("Fd: throws on use after close", () => {
  const [a, b] = socketPair();
  using _ = b;
  assert.ok(a.isOpen && a.number >= 0);
  a.close();
  assert.equal(a.isOpen, false);
  assert.throws(() => a.number, CLOSED);
  assert.throws(() => a.release(), CLOSED);
});

test("Fd: a second close does not close who got the number next", () => {
  const [a, b] = socketPair();
  a.close();
  b.close();
  const [c, d] = socketPair(); // the lowest free numbers: those of a and b
  a.close();
  b.close();
  assert.equal(write(c.number, new Uint8Array([7])), 1);
  const got = new Uint8Array(4);
  assert.equal(read(d.number, got), 1);
  c.close();
  d.close();
});

test("Fd: closes at the end of a using block, also when it throws", () => {
  const [a, b] = socketPair();
  using other = b;
  assert.throws(() => {
    using _ = a;
    throw new RangeError("thrown inside");
  }, RangeError);
  assert.equal(a.isOpen, false);
  assert.equal(
    read(other.number, new Uint8Array(1)),
    0,
    "the peer sees the end",
  );
});

test("Fd: release gives the number away, open", () => {
  const [a, b] = socketPair();
  using _ = b;
  const fd = a.number;
  assert.equal(a.release(), fd);
  assert.equal(a.isOpen, false);
  a.close();
  using again = new Fd(fd);
  assert.equal(write(again.number, new Uint8Array(1)), 1);
});

test("setInherit: clears and sets close-on-exec", () => {
  const [a, b] = socketPair();
  using ours = a;
  using _ = b;
  const flags = () => libc.fcntl(ours.number, F_GETFD, 0);
  assert.equal(flags(), FD_CLOEXEC, "a pair is made close-on-exec");
  setInherit(ours.number, true);
  assert.equal(flags(), 0);
  setInherit(ours.number, false);
  assert.equal(flags(), FD_CLOEXEC);
});

test("setNonblocking: changes O_NONBLOCK alone", () => {
  const [a, b] = socketPair();
  using ours = a;
  using _ = b;
  const flags = () => libc.fcntl(ours.number, F_GETFL, 0);
  const before = flags();
  setNonblocking(ours.number, true);
  assert.equal(flags(), before | abi.O_NONBLOCK);
  setNonblocking(ours.number, false);
  assert.equal(flags(), before);
});

test("setInherit, setNonblocking: refuse a descriptor that is not open", () => {
  const refused = (error: unknown) =>
    error instanceof PosixError && error.code === "EBADF" &&
    error.syscall === "fcntl";
  assert.throws(() => setInherit(1 << 30, true), refused);
  assert.throws(() => setNonblocking(1 << 30, true), refused);
});

test("openDescriptors: also looks at more than may be open at once", () => {
  const [ours, theirs] = socketPair();
  const found = openDescriptors(getLimit("files").soft + 1);
  for (const { number } of [ours, theirs]) assert.ok(found.includes(number));
  ours.close();
  theirs.close();
}, { ignore: getLimit("files").soft > 1e6 }); // each is looked at alone

test("openDescriptors: lists open numbers below its bound, ascending", () => {
  const [a, b] = socketPair();
  using ours = a;
  using _ = b;
  const open = openDescriptors();
  assert.ok(open.includes(ours.number));
  assert.deepEqual(open, open.toSorted((x, y) => x - y));
  assert.ok(!openDescriptors(ours.number).includes(ours.number));
});
