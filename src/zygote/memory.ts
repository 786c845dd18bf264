/**
 * Memory that survives a fork. V8 marks its memory MADV_DONTFORK, so that a forked child would die
 * at its first touch of the heap: the marks are undone, and a seccomp filter keeps them away.
 *
 * @module
 */
import { assemblePolicy, VERDICTS } from "../posix/seccomp/filter.ts";
import { PosixError } from "../posix/errno.ts";
import { cLibrary } from "../posix/libc.ts";
import { readProcFile } from "../posix/proc.ts";
import {
  giveUpNewPrivileges,
  installFilter,
  type PreparedFilter,
  prepareFilter,
} from "../posix/seccomp/seccomp.ts";
import type { Processor } from "../posix/seccomp/system_call_numbers.ts";

const libc = cLibrary("madvise");

const MADV_DONTFORK = 10; // asm-generic/mman-common.h
const MADV_DOFORK = 11;

/**
 * The filter: `madvise(_, _, MADV_DONTFORK)` does nothing and succeeds, all else goes through.
 *
 * @returns An array of `struct sock_filter`.
 */
export function keepForkableFilter(
  processor: Processor,
): Uint8Array<ArrayBuffer> {
  return assemblePolicy({
    rules: [{
      call: "madvise",
      checks: [{ argument: 2, is: MADV_DONTFORK, then: VERDICTS.pretend }],
      verdict: VERDICTS.allow,
    }],
    others: VERDICTS.allow,
    foreign: VERDICTS.allow, // to keep such calls away is not this filter's task
  }, processor);
}

/**
 * Readies what makes all memory of this process, now and later, one that a forked child has too; call it
 * while FFI permission still stands.
 *
 * @throws {PosixError} When the kernel has no seccomp, or refuses it.
 */
export function prepareMemory(): () => void {
  const filter = prepareFilter(keepForkableFilter(Deno.build.arch));
  return () => keepMemoryForkable(filter);
}

function keepMemoryForkable(filter: PreparedFilter): void {
  // The filter comes first: what V8 maps between the two steps must not be marked again.
  installAsAnyone(filter);
  // All is told, marked or not: which is would stand in smaps, for which the kernel counts every page.
  for (const line of readProcFile("/proc/self/maps").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range === null) continue;
    const start = BigInt("0x" + range[1]);
    const end = BigInt("0x" + range[2]);
    // Safety: only changes what a later fork copies; the range is the kernel's own answer. Refused for what the
    // kernel itself maps ([vvar], proc(5)), which every process has.
    libc.madvise(start, end - start, MADV_DOFORK);
  }
}

/** Root may do it as it is; anyone else must give up set-user-ID programs. */
function installAsAnyone(filter: PreparedFilter): void {
  try {
    installFilter(filter);
  } catch (error) {
    if (!(error instanceof PosixError) || error.code !== "EACCES") throw error;
    giveUpNewPrivileges();
    installFilter(filter);
  }
}
