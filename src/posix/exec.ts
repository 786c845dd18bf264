/**
 * Becoming another program, `execve(2)` in this process, or starting one, `posix_spawn(3)`.
 *
 * @module
 */
import { addressOf, viewOf } from "./abi.ts";
import { check, errno, PosixError } from "./errno.ts";
import type { Launch } from "./launch.ts";
import { cLibrary } from "./libc.ts";
import { encodeBytes } from "./proc.ts";

const libc = cLibrary("access", "execve", "posix_spawn");

const F_OK = 0; // unistd.h
const X_OK = 1;
/** An empty path, which no file has: execve(2). */
const NOWHERE = new Uint8Array(1);

/**
 * Whether this process may run a file, `access(2)`. It says true of directories, too. Throws `PosixError`: ENOENT,
 * EACCES or another, which says why not.
 */
export function checkExecutable(path: string): void {
  check(libc.access(encodeBytes(path + "\0"), X_OK), "access");
}

/** Whether there is a directory. Returns true also where the path is a link to one. */
export function isDirectory(path: string): boolean {
  return libc.access(encodeBytes(path + "/.\0"), F_OK) === 0;
}

/**
 * A program to become, laid out as `execve(2)` wants it. The addresses are computed once, while FFI
 * permission still stands; variables that are not known before the connection are written later.
 */
export class ProgramImage {
  /** Every string, each ended by NUL: the path, the arguments, the variables, and the room. */
  readonly #text: Uint8Array<ArrayBuffer>;
  /** Where `#text` is. Safety: V8 does not move a backing store, and `#text` lives as long as this. */
  readonly #base: bigint;
  /** Addresses of strings, ended by 0: `char *const argv[]`, `char *const envp[]`. */
  readonly #argv: BigUint64Array<ArrayBuffer>;
  readonly #envp: BigUint64Array<ArrayBuffer>;
  /** How many entries of `#envp` are written, and where the room in `#text` begins. */
  readonly #variables: number;
  readonly #roomAt: number;

  /**
   * Lays it out. Texts may stand for any bytes: see `decodeBytes` of `proc.ts`. `room`: bytes and variables that may
   * be added later.
   */
  constructor(
    path: string,
    args: readonly string[],
    env: readonly string[],
    room: { readonly bytes: number; readonly variables: number },
  ) {
    const strings = [path, ...args, ...env].map((text) =>
      encodeBytes(text + "\0")
    );
    const length = strings.reduce((sum, { length }) => sum + length, 0);
    // An ArrayBuffer of its own, since a small typed array alone may lie where V8 moves things.
    this.#text = new Uint8Array(new ArrayBuffer(length + room.bytes));
    this.#base = addressOf(this.#text);
    const addresses: bigint[] = [];
    let at = 0;
    for (const bytes of strings) {
      this.#text.set(bytes, at);
      addresses.push(this.#base + BigInt(at));
      at += bytes.length;
    }
    this.#roomAt = at;
    this.#variables = env.length;
    this.#argv = new BigUint64Array(args.length + 1);
    this.#argv.set(addresses.slice(1, 1 + args.length));
    this.#envp = new BigUint64Array(env.length + room.variables + 1);
    this.#envp.set(addresses.slice(1 + args.length));
  }

  /** Replaces this process by the program. Throws `PosixError` when the system refuses; this process goes on. */
  become(env: readonly string[], last?: () => void): never {
    this.#addVariables(env);
    const argv = new Uint8Array(this.#argv.buffer);
    const envp = new Uint8Array(this.#envp.buffer);
    // Safety: every address points into `#text`, and both tables end with 0.
    if (last) {
      libc.execve(NOWHERE, argv, envp); // ENOENT: what a first call compiles is there for the next one
      last();
    }
    libc.execve(this.#text, argv, envp);
    throw new PosixError("execve", errno());
  }

  /**
   * Starts the program in a process of its own, which shares this one's memory until the program is there: no page
   * table is copied. Returns its pid; null when the system refuses.
   */
  start(env: readonly string[], launch: Launch): number | null {
    this.#addVariables(env);
    // Safety: as above; the attributes last as long as this process.
    const error = libc.posix_spawn(
      launch.pid,
      this.#text,
      launch.actions,
      launch.attributes,
      new Uint8Array(this.#argv.buffer),
      new Uint8Array(this.#envp.buffer),
    );
    return error === 0 ? viewOf(launch.pid).getInt32(0, true) : null;
  }

  #addVariables(env: readonly string[]): void {
    let at = this.#roomAt;
    let next = this.#variables;
    for (const variable of env) {
      const bytes = encodeBytes(variable.replaceAll("\0", "@") + "\0");
      const fits = at + bytes.length <= this.#text.length &&
        next < this.#envp.length - 1;
      if (!fits) break;
      this.#text.set(bytes, at);
      this.#envp[next++] = this.#base + BigInt(at);
      at += bytes.length;
    }
    this.#envp[next] = 0n;
  }
}
