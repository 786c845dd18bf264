/**
 * Memory that survives a fork. V8 marks its memory MADV_DONTFORK, so that a forked child would die
 * at its first touch of the heap: the marks are undone, and a seccomp filter keeps them away.
 *
 * @module
 */
import { PosixError } from "./errno.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";
import {
  addressOf,
  assemble,
  BPF_JEQ_K,
  BPF_LD_W_ABS,
  BPF_RET_K,
  filterProgram,
} from "./bpf.ts";
import { readProcFile } from "./proc.ts";

const PR_SET_NO_NEW_PRIVS = 38; // linux/prctl.h
const PR_SET_SECCOMP = 22;
const SECCOMP_MODE_FILTER = 2n; // linux/seccomp.h
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO_0 = 0x00050000;
const MADV_DONTFORK = 10; // asm-generic/mman-common.h
const MADV_DOFORK = 11;
// struct seccomp_data {int nr; u32 arch; u64 instruction_pointer; u64 args[6]}
const NR_AT = 0;
const ARCH_AT = 4;
const ARG2_AT = 32;

/** What differs between processors: linux/audit.h, and the number of `madvise` (asm/unistd.h). */
const PROCESSORS = {
  x86_64: { auditArch: 0xc000003e, madvise: 28 },
  aarch64: { auditArch: 0xc00000b7, madvise: 233 },
} as const;

/**
 * The filter: `madvise(_, _, MADV_DONTFORK)` does nothing and succeeds, all else goes through.
 *
 * @param processor Whose numbers.
 * @returns An array of `struct sock_filter` {u16 code; u8 jt, jf; u32 k}.
 */
export function keepForkableFilter(
  processor: "x86_64" | "aarch64",
): Uint8Array<ArrayBuffer> {
  const { auditArch, madvise } = PROCESSORS[processor];
  return assemble([
    [BPF_LD_W_ABS, 0, 0, ARCH_AT],
    [BPF_JEQ_K, 0, 5, auditArch],
    [BPF_LD_W_ABS, 0, 0, NR_AT],
    [BPF_JEQ_K, 0, 3, madvise],
    [BPF_LD_W_ABS, 0, 0, ARG2_AT],
    [BPF_JEQ_K, 0, 1, MADV_DONTFORK],
    [BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO_0],
    [BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW],
  ]);
}

/**
 * Makes all memory of this process, now and later, one that a forked child has too.
 *
 * @throws {PosixError} When the kernel has no seccomp, or refuses it.
 */
export function keepMemoryForkable(): void {
  // The filter comes first: what V8 maps between the two steps must not be marked again.
  installFilter(keepForkableFilter(Deno.build.arch));
  let start = 0n, end = 0n;
  for (const line of readProcFile("/proc/self/smaps").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) {
      start = BigInt("0x" + range[1]);
      end = BigInt("0x" + range[2]);
    } else if (/^VmFlags:.* dc\b/.test(line)) { // dc: do not copy area on fork, proc(5)
      // Safety: only changes what a later fork copies; the range is the kernel's own answer.
      libc.madvise(start, end - start, MADV_DOFORK);
    }
  }
}

/** `prctl(2)` PR_SET_SECCOMP, or root may do it; anyone else must give up set-user-ID programs. */
function installFilter(filter: Uint8Array<ArrayBuffer>): void {
  const program = filterProgram(filter);
  const install = () =>
    libc.prctlNumbers?.(
      PR_SET_SECCOMP,
      SECCOMP_MODE_FILTER,
      addressOf(program),
      0n,
      0n,
    );
  if (install() === 0) return;
  if (
    libc.prctlNumbers?.(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) === 0 &&
    install() === 0
  ) return;
  throw new PosixError("prctl(PR_SET_SECCOMP)", errno());
}
