/**
 * Starting processes of the runtime where the current directory has been removed: none starts in there, and
 * none can be started from there. Linux only.
 *
 * @module
 */
import { check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cLibrary } from "./libc.ts";
import { changeDirectory } from "./process.ts";

const libc = cLibrary("fchdir", "open");

const O_PATH_DIRECTORY_CLOEXEC = 0o12200000; // asm-generic/fcntl.h
const HERE = new TextEncoder().encode(".\0");
const ROOT = "/";

/** The directory, once it has been removed; held for as long as processes may be started. */
let removed: Fd | undefined;

/**
 * Starts a process, in the root directory where the current one has been removed.
 *
 * @throws What `start` threw.
 */
export function startSomewhere<T>(start: (removed?: string) => T): T {
  if (!isRemoved()) return start();
  removed ??= new Fd(check(libc.open(HERE, O_PATH_DIRECTORY_CLOEXEC), "open"));
  changeDirectory(ROOT);
  try {
    return start(`/proc/${Deno.pid}/fd/${removed.number}`);
  } finally {
    check(libc.fchdir(removed.number), "fchdir");
  }
}

function isRemoved(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    Deno.cwd();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/**
 * Follows whoever started this process into its directory.
 *
 * @param path From {@linkcode startSomewhere}; undefined where this process is there already.
 * @throws {PosixError} When it may not: then it must do nothing where it is.
 */
export function followInto(path: string | undefined): void {
  if (path !== undefined) changeDirectory(path);
}
