/**
 * The library, for the process that starts zygotes.
 *
 * @module
 */
import { PosixError } from "../../posix/errno.ts";
import { type Fd, memoryFile } from "../../posix/fd.ts";
import { LIBRARY } from "./library.ts";

/**
 * Makes the library loadable. Returns its descriptor, close-on-exec, the caller's to close when nothing will be
 * started with it any more; null where it does not apply. Its path is `/proc/PID/fd/NUMBER` with the caller's pid.
 */
export function openLibrary(): Fd | null {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return null;
  try {
    return memoryFile("mpserv-code", Uint8Array.fromBase64(LIBRARY));
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    return null;
  }
}
