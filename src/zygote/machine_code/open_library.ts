/**
 * The library, for the process that starts zygotes.
 *
 * @module
 */
import { Fd } from "../../posix/fd.ts";
import { write } from "../../posix/io.ts";
import { cLibrary } from "../../posix/libc.ts";
import { LIBRARY } from "./library.ts";

const libc = cLibrary("memfd_create");

const MFD_CLOEXEC = 1; // linux/memfd.h

/**
 * Makes the library loadable.
 *
 * @returns Its descriptor, close-on-exec, the caller's to close when nothing will be started with it
 *   any more; null where it does not apply. Its path is `/proc/PID/fd/NUMBER` with the caller's pid.
 */
export function openLibrary(): Fd | null {
  const { memfd_create } = libc;
  if (
    Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" || !memfd_create
  ) return null;
  const name = new TextEncoder().encode("mpserv-code\0");
  const fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return null;
  const file = new Fd(fd);
  const bytes = Uint8Array.fromBase64(LIBRARY);
  if (write(file.number, bytes) === bytes.length) return file;
  file.close();
  return null;
}
