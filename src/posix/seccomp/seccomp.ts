/**
 * Giving a process a filter of its system calls: `seccomp(2)`, `prctl(2)` (Linux). A filter stays for
 * good, and every process that is forked from this one has it, too.
 *
 * What each child of a zygote puts up around itself when it is born, beside what it has of the zygote.
 *
 * @module
 */
import { check, errno, errorName, PosixError } from "../errno.ts";
import { Fd } from "../fd.ts";
import { cLibrary } from "../libc.ts";
import { scratch, viewOf } from "../scratch.ts";
import { filterProgram } from "./filter.ts";
import { systemCalls } from "./system_call_numbers.ts";

/** Made ready in the zygote, where putting it up is rehearsed: until it is armed the kernel refuses it. */
export interface Fence {
  /** From here on it is real. */
  arm(): void;
  /** It can be rehearsed again. Returns whether it was armed. */
  disarm(): boolean;
  /** Puts it up around this process. Throws `PosixError` when the system refuses. */
  putUp(): void;
}

const libc = cLibrary("prctlNumbers", "syscall");

const PR_SET_NO_NEW_PRIVS = 38; // linux/prctl.h
// linux/seccomp.h
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;
const FLAG_TSYNC = 1 << 0;
const FLAG_NEW_LISTENER = 1 << 3;
const FLAG_TSYNC_ESRCH = 1 << 4;

/** Of `struct sock_fprog`. */
const FPROG_SIZE = 16;

// Looked up once: a zygote's children must not have to.
const CALL = BigInt(systemCalls(Deno.build.arch).get("seccomp")!);

function seccomp(
  operation: number,
  flags: number,
  args: Uint8Array<ArrayBuffer>,
): number {
  return libc.syscall?.(CALL, operation, flags, args) ?? -1;
}

/**
 * Whether this kernel knows a verdict, and lets this process ask. `verdict`: such as `VERDICTS.notify` of
 * `filter.ts`. Returns why not; undefined when it does.
 */
export function whyNoVerdict(verdict: number): string | undefined {
  if (Deno.build.os !== "linux") return "this system has no seccomp(2)";
  const action = new Uint8Array(new Uint32Array([verdict]).buffer);
  if (seccomp(SECCOMP_GET_ACTION_AVAIL, 0, action) === 0) return undefined;
  const name = errorName(errno());
  return name === "ENOSYS" || name === "EINVAL"
    ? `this kernel has no seccomp(2) (${name})`
    : name === "EPERM"
    ? "seccomp(2) is refused here (EPERM)"
    : `this kernel's seccomp(2) is too old (${name})`;
}

/**
 * Gives up for good what set-user-ID programs would give: `prctl(2)` PR_SET_NO_NEW_PRIVS, of this
 * thread and those that it starts. Anyone but root must, before a filter.
 */
export function giveUpNewPrivileges(): void {
  libc.prctlNumbers?.(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n);
}

/** A filter as the kernel takes it. */
export interface PreparedFilter {
  /** Its instructions, which must stay where they are. */
  readonly instructions: Uint8Array<ArrayBuffer>;
  /** The `struct sock_fprog` with their address. */
  readonly program: Uint8Array<ArrayBuffer>;
}

/** Readies a filter; call it while FFI permission still stands. */
export function prepareFilter(
  instructions: Uint8Array<ArrayBuffer>,
): PreparedFilter {
  return { instructions, program: filterProgram(instructions) };
}

/**
 * Installs a filter. Returns that descriptor, the caller's to close; null without `listen`. Throws `PosixError`:
 * EBUSY when somebody listens to this process already (a container's manager), EACCES without
 * {@linkcode giveUpNewPrivileges}.
 */
export function installFilter(
  filter: PreparedFilter,
  options: { threads?: boolean; listen?: boolean } = {},
): Fd | null {
  const { threads = false, listen = false } = options;
  let flags = 0;
  if (threads) flags |= FLAG_TSYNC | FLAG_TSYNC_ESRCH;
  if (listen) flags |= FLAG_NEW_LISTENER;
  const result = seccomp(SECCOMP_SET_MODE_FILTER, flags, filter.program);
  check(result, "seccomp");
  return listen ? new Fd(result) : null; // the kernel makes it close-on-exec
}

/**
 * One more filter, small and made ready. Until it is armed the kernel refuses it, since it has no
 * instructions.
 */
export class FilterFence implements Fence {
  readonly #filter: PreparedFilter;
  readonly #fprog = scratch(FPROG_SIZE);
  /** The return value of a successful installation: -1 during a rehearsal. */
  readonly #expected = viewOf(scratch(4));

  /** Readies it; needs FFI permission. */
  constructor(filter: Uint8Array<ArrayBuffer>) {
    const instructions = scratch(filter.length);
    instructions.set(filter);
    this.#filter = prepareFilter(instructions);
    this.#expected.setInt32(0, -1, true);
  }

  /** See {@linkcode Fence}. */
  arm(): void {
    this.#fprog.set(this.#filter.program);
    this.#expected.setInt32(0, 0, true);
  }

  /** See {@linkcode Fence}. */
  disarm(): boolean {
    const wasArmed = this.#expected.getInt32(0, true) === 0;
    this.#fprog.fill(0);
    this.#expected.setInt32(0, -1, true);
    return wasArmed;
  }

  /** See {@linkcode Fence}. */
  putUp(): void {
    const result = seccomp(SECCOMP_SET_MODE_FILTER, 0, this.#fprog);
    if (result !== this.#expected.getInt32(0, true)) {
      throw new PosixError("seccomp", errno());
    }
  }
}
