import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { check, errno, errorName, PosixError } from "../../src/posix/errno.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { test } from "../helpers/testing.ts";

const libc = cLibrary("close", "kill");

test("errno: is the number of the last failed call", () => {
  assert.equal(libc.close(-1), -1);
  assert.equal(errno(), abi.errno.EBADF);
  assert.equal(libc.kill(1 << 30, 0), -1);
  assert.equal(errno(), abi.errno.ESRCH);
});

test("errorName: names what is in the table, numbers the rest", () => {
  for (const [name, number] of Object.entries(abi.errno)) {
    assert.equal(errorName(number), name);
  }
  assert.equal(errorName(9999), "errno 9999");
});

test("PosixError: says what the C library says, in lower case", () => {
  const texts = ["EADDRINUSE", "EMFILE", "EACCES", "EPIPE"].map((name) =>
    new PosixError("call", abi.errno[name]!).message
  );
  assert.deepEqual(texts, [
    "call: address already in use (EADDRINUSE)",
    "call: too many open files (EMFILE)",
    "call: permission denied (EACCES)",
    "call: broken pipe (EPIPE)",
  ]);
});

test("PosixError: has words for every error of the table", () => {
  const texts = Object.values(abi.errno).map((number) =>
    new PosixError("x", number).message.replace(/^x: (.*) \(\w+\)$/, "$1")
  );
  for (const text of texts) assert.match(text, /^[a-z][\w :/(),'-]+$/);
  assert.equal(new Set(texts).size, texts.length);
});

test("PosixError: has words for a number that is no error", () => {
  assert.match(new PosixError("x", 9999).message, /^x: unknown error/);
});

test("PosixError: says the call, the words and the name", () => {
  const error = new PosixError("accept4", abi.errno.EMFILE!);
  assert.equal(error.message, "accept4: too many open files (EMFILE)");
  assert.deepEqual(
    [error.name, error.code, error.syscall],
    ["PosixError", "EMFILE", "accept4"],
  );
});

test("check: passes a result on, and throws the error of a failed call", () => {
  assert.equal(check(0, "read"), 0);
  assert.equal(check(17, "read"), 17);
  assert.throws(() => check(libc.close(-1), "close"), {
    name: "PosixError",
    code: "EBADF",
    message: "close: bad file descriptor (EBADF)",
  });
});
