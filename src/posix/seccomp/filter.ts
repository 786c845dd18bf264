/**
 * Filters of system calls: a policy, and the program for the kernel's packet-filter machine that it is
 * assembled into (seccomp(2), linux/filter.h).
 *
 * A program is a list of rules that are tried in order. It looks at the lower half of arguments alone:
 * every argument that a rule looks at here is an `int` or a set of flags below 2^32 to the kernel.
 *
 * Classic BPF programs (linux/filter.h): they say what a process may call, or what reaches a socket.
 *
 * @module
 */
import { cLibrary } from "../libc.ts";
import { abi, addressOf, scratch, viewOf } from "../abi.ts";
import { Fd } from "../fd.ts";
import { check, errno, errorName, PosixError } from "../errno.ts";
import {
  AUDIT_ARCH,
  type Processor,
  systemCalls,
} from "./system_call_numbers.ts";

/** Loads a 32-bit word from a fixed place. */
const BPF_LD_W_ABS = 0x20; // linux/bpf_common.h
/** Loads a byte from a fixed place. */
const BPF_LD_B_ABS = 0x30;
/** Keeps the bits of a mask. */
const BPF_AND_K = 0x54;
/** Jumps by whether what was loaded equals a number. */
const BPF_JEQ_K = 0x15;
/** Jumps by whether what was loaded is a number, or more. */
const BPF_JGE_K = 0x35;
/** Jumps by whether what was loaded has one of some bits. */
const BPF_JSET_K = 0x45;
/** Ends with a number. */
const BPF_RET_K = 0x06;

/** One instruction, `struct sock_filter` {u16 code; u8 jt, jf; u32 k}. */
type Instruction = readonly [
  code: number,
  jumpTrue: number,
  jumpFalse: number,
  k: number,
];

/** Lays instructions out. Returns an array of `struct sock_filter`. */
function assemble(
  program: readonly Instruction[],
): Uint8Array<ArrayBuffer> {
  const filter = new DataView(new ArrayBuffer(8 * program.length));
  program.forEach(([code, jumpTrue, jumpFalse, k], i) => {
    filter.setUint16(8 * i, code, true);
    filter.setUint8(8 * i + 2, jumpTrue);
    filter.setUint8(8 * i + 3, jumpFalse);
    filter.setUint32(8 * i + 4, k, true);
  });
  return new Uint8Array(filter.buffer);
}

/**
 * Packs a program as the kernel expects it. Returns `struct sock_fprog` {unsigned short len; struct sock_filter
 * *filter}.
 */
function filterProgram(
  filter: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const program = [BigInt(filter.length / 8), addressOf(filter)];
  return new Uint8Array(new BigUint64Array(program).buffer);
}

// struct seccomp_data {int nr; u32 arch; u64 instruction_pointer; u64 args[6]}
const NUMBER_AT = 0;
const PROCESSOR_AT = 4;
const ARGUMENTS_AT = 16;
/** Numbers from here on are of the x32 calls, which reach the same kernel functions another way. */
const X32 = 0x40000000;

/** The results of a call: `SECCOMP_RET_*` of linux/seccomp.h. */
export const VERDICTS = {
  /** It is made. */
  allow: 0x7fff0000,
  /** It waits for whoever listens; where nobody does, it fails with ENOSYS. */
  notify: 0x7fc00000,
  /** It is not made, and seems to have succeeded: SECCOMP_RET_ERRNO. */
  pretend: 0x00050000,
  /** It fails with EPERM (asm-generic/errno-base.h). */
  refuse: 0x00050000 | 1,
  /** It fails with ENOSYS (asm-generic/errno.h), as in a kernel that has no such call. */
  missing: 0x00050000 | 38,
  /** The process ends by SIGSYS. */
  kill: 0x80000000,
} as const;

/** Something that an argument is. */
export type Condition =
  & {
    readonly argument: number;
  }
  & (
    | {
      /** It holds where the argument is this; `within` the bits named, if any are. */
      readonly is: number;
      readonly within?: number;
    }
    | {
      /** It holds where the argument has one of these bits. */
      readonly has: number;
    }
  );

/** A verdict that depends on arguments. */
export type Check = Condition & {
  /** A further condition. */
  readonly and?: readonly Condition[];
  /** The result of the call if every condition holds. */
  readonly then: number;
};

/** The rule for one system call. */
export interface Rule {
  /** The call's name; where the processor has no such call, the rule is left out. */
  readonly call: string;
  /** Tried first, in order. */
  readonly checks?: readonly Check[];
  /** Where none of them holds. */
  readonly verdict: number;
}

/** The results of all system calls. */
export interface Policy {
  /** Tried in order; the first one for a call counts. */
  readonly rules: readonly Rule[];
  /** Where there is no rule. */
  readonly others: number;
  /** For calls with a number beyond all that we know, of a kernel that is newer than we are. */
  readonly newer?: number;
  /**
   * For calls of another architecture, whose numbers mean something else; left out, they are taken for
   * this one's, which does where the numbers have no meaning there.
   */
  readonly foreign?: number;
}

/** Assembles a policy. Returns an array of `struct sock_filter`. */
export function assemblePolicy(
  { rules, others, newer, foreign }: Policy,
  processor: Processor,
): Uint8Array<ArrayBuffer> {
  const numbers = systemCalls(processor);
  const program = foreign === undefined ? [] : keepForeign(foreign, processor);
  program.push([BPF_LD_W_ABS, 0, 0, NUMBER_AT]);
  if (newer !== undefined) {
    const next = Math.max(...numbers.values()) + 1;
    program.push([BPF_JGE_K, 0, 1, next], [BPF_RET_K, 0, 0, newer]);
  }
  const known = new Set<number>();
  for (const { call, checks = [], verdict } of rules) {
    const number = numbers.get(call);
    if (number === undefined || known.has(number)) continue;
    known.add(number);
    if (checks.length === 0 && verdict === others) continue;
    const block = [...checks.flatMap(checkArgument), [
      BPF_RET_K,
      0,
      0,
      verdict,
    ]] as const;
    program.push([BPF_JEQ_K, 0, block.length, number], ...block);
  }
  program.push([BPF_RET_K, 0, 0, others]);
  return assemble(program);
}

function keepForeign(verdict: number, processor: Processor): Instruction[] {
  const checks: Instruction[] = [
    [BPF_LD_W_ABS, 0, 0, PROCESSOR_AT],
    [BPF_JEQ_K, 1, 0, AUDIT_ARCH[processor]],
    [BPF_RET_K, 0, 0, verdict],
  ];
  if (processor !== "x86_64") return checks;
  const x32: Instruction[] = [
    [BPF_LD_W_ABS, 0, 0, NUMBER_AT],
    [BPF_JGE_K, 0, 1, X32],
    [BPF_RET_K, 0, 0, verdict],
  ];
  return [...checks, ...x32];
}

/** Every way through a rule's block ends in it, so the number that it overwrites is needed no more. */
function checkArgument(check: Check): Instruction[] {
  const program: Instruction[] = [[BPF_RET_K, 0, 0, check.then]];
  // Built from its end, since what does not hold leads there.
  for (const condition of [...check.and ?? [], check]) {
    const past = program.length;
    program.unshift(...load(condition), test(condition, past));
  }
  return program;
}

function load(condition: Condition): Instruction[] {
  const at = ARGUMENTS_AT + 8 * condition.argument;
  const argument: Instruction = [BPF_LD_W_ABS, 0, 0, at];
  if ("has" in condition || condition.within === undefined) return [argument];
  return [argument, [BPF_AND_K, 0, 0, condition.within]];
}

function test(condition: Condition, past: number): Instruction {
  return "has" in condition
    ? [BPF_JSET_K, 0, past, condition.has]
    : [BPF_JEQ_K, 0, past, condition.is];
}

/*
 * Closing a listening socket without resetting anybody: nobody begins to connect, while those who have
 * begun finish and are accepted.
 *
 * Closing alone resets every connection that completes between the last `accept(2)` and `close(2)`:
 * its client believes that it is served. A filter on the socket (socket(7) SO_ATTACH_FILTER, Linux)
 * drops what opens a connection and nothing else; who is dropped so asks again a second later, and is
 * then refused.
 */

const libc = cLibrary("prctlNumbers", "setsockopt", "syscall");

const SO_ATTACH_FILTER = 26; // asm-generic/socket.h

// RFC 9293, 3.1: the flags are the 14th byte of a TCP header, at which the filter's data starts.
const FLAGS_AT = 13;

const SYN = 0x02, ACK = 0x10;

const DROP = 0, KEEP = 0xffffffff;

const filter = assemble([
  [BPF_LD_B_ABS, 0, 0, FLAGS_AT],
  [BPF_AND_K, 0, 0, SYN | ACK],
  [BPF_JEQ_K, 0, 1, SYN],
  [BPF_RET_K, 0, 0, DROP],
  [BPF_RET_K, 0, 0, KEEP],
]);

/** Lets nobody begin to connect from here on. Returns whether it is so; false where the system cannot. */
export function refuseNewcomers(listener: number): boolean {
  if (Deno.build.os !== "linux") return false;
  const program = filterProgram(filter);
  return libc.setsockopt(
    listener,
    abi.SOL_SOCKET,
    SO_ATTACH_FILTER,
    program,
    program.length,
  ) === 0;
}

/*
 * Giving a process a filter of its system calls: `seccomp(2)`, `prctl(2)` (Linux). A filter stays for
 * good, and every process that is forked from this one has it, too.
 *
 * What each child of a zygote puts up around itself when it is born, beside what it has of the zygote.
 */

/** Made ready in the zygote, where putting it up is rehearsed: until it is armed the kernel refuses it. */
export interface Fence {
  /** From here on it is real. */
  arm(): void;
  /** It can be rehearsed again. Returns whether it was armed. */
  disarm(): boolean;
  /** Puts it up around this process. Throws `PosixError` when the system refuses. */
  putUp(): void;
}

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

/** One more filter, small and made ready. Until it is armed the kernel refuses it, since it has no instructions. */
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

  arm(): void {
    this.#fprog.set(this.#filter.program);
    this.#expected.setInt32(0, 0, true);
  }

  disarm(): boolean {
    const wasArmed = this.#expected.getInt32(0, true) === 0;
    this.#fprog.fill(0);
    this.#expected.setInt32(0, -1, true);
    return wasArmed;
  }

  putUp(): void {
    const result = seccomp(SECCOMP_SET_MODE_FILTER, 0, this.#fprog);
    if (result !== this.#expected.getInt32(0, true)) {
      throw new PosixError("seccomp", errno());
    }
  }
}
