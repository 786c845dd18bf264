/**
 * `errno(3)`: which error the last failed call of this thread met, and how a person reads it.
 *
 * @module
 */
import { abi, scratch, viewOf } from "./abi.ts";
import { cLibrary } from "./libc.ts";
import {
  decode,
  Error,
  SafeBytes,
  SafeMap,
  slice,
  toLowerCase,
} from "./intrinsics.ts";

const libc = cLibrary(
  "__errno_location",
  "__error",
  "__xpg_strerror_r",
  "memcpy",
  "strerror_r",
);

// Where this thread keeps errno. It is read by memcpy, since `Deno.UnsafePointerView` stops working
// when a connection process gives up its permissions, while symbols opened before go on working.
const location = libc.__errno_location
  ? libc.__errno_location()
  : libc.__error?.() ?? null;
const { memcpy } = libc; // opened here, not after a call that failed: that could alter its errno
const valueBytes = scratch(4);
const value = viewOf(valueBytes);

const names = new SafeMap<number, string>();
for (const [name, number] of Object.entries(abi.errno)) names.set(number, name);

/** The error number of the last failed synchronous call. Read it before any other call. */
export function errno(): number {
  memcpy(valueBytes, location, 4);
  return value.getInt32(0, true);
}

/**
 * The name of an error number. `number`: as in `errno(3)`. For example `EADDRINUSE`, or `errno 123` for one that is
 * not in our table.
 */
export function errorName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

/**
 * The C library's text for an error number, in lower case. `number`: as in `errno(3)`. For example
 * `address already in use`.
 */
function errorText(number: number): string {
  const text = new SafeBytes(128);
  const describe = libc.__xpg_strerror_r ?? libc.strerror_r;
  describe(number, text, text.length);
  const words = decode(text.subarray(0, text.indexOf(0)));
  return toLowerCase(slice(words, 0, 1)) + slice(words, 1);
}

/** A system call that the system refused. */
export class PosixError extends Error {
  override name = "PosixError";
  readonly #isOurs = true;
  /** The error's name, such as `EMFILE`. */
  readonly code: string;
  /** The call that failed, such as `accept4`. */
  readonly syscall: string;

  constructor(syscall: string, number: number) {
    super(`${syscall}: ${errorText(number)} (${errorName(number)})`);
    this.code = errorName(number);
    this.syscall = syscall;
  }

  /** As `instanceof`, which a handler can change the meaning of. Returns whether it is such an error. */
  static is(error: unknown): error is PosixError {
    return typeof error === "object" && error !== null && #isOurs in error;
  }
}

/** Checks the result of a system call. Throws `PosixError` when it is -1. */
export function check(result: number, syscall: string): number {
  if (result < 0) throw new PosixError(syscall, errno());
  return result;
}
