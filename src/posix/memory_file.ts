/**
 * Files that are in memory and have no name: `memfd_create(2)`.
 *
 * @module
 */
import { check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cLibrary } from "./libc.ts";

const libc = cLibrary("memfd_create", "pwrite");

const MFD_CLOEXEC = 1; // linux/memfd.h

/**
 * Makes one; it is there for as long as somebody holds it.
 *
 * @param label What `/proc/PID/fd` shows of it.
 * @param bytes What is in it, to be read from its beginning.
 * @returns Its descriptor, close-on-exec, the caller's to close; null where the system has no such files.
 * @throws {PosixError} When descriptors or memory run out.
 */
export function memoryFile(
  label: string,
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0),
): Fd | null {
  const { memfd_create } = libc;
  if (!memfd_create) return null;
  const name = new TextEncoder().encode(`${label}\0`);
  const file = new Fd(check(memfd_create(name, MFD_CLOEXEC), "memfd_create"));
  try {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at);
      const count = libc.pwrite(file.number, part, part.length, BigInt(at));
      at += check(count, "pwrite");
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}
