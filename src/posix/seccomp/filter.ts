/**
 * Filters of system calls: a policy, and the program for the kernel's packet-filter machine that it is
 * assembled into (seccomp(2), linux/filter.h).
 *
 * A program is a list of rules that are tried in order. It looks at the lower half of arguments alone:
 * every argument that a rule looks at here is an `int` or a set of flags below 2^32 to the kernel.
 *
 * @module
 */
import {
  assemble,
  BPF_AND_K as AND,
  BPF_JEQ_K as IF_EQUAL,
  BPF_JGE_K as IF_AT_LEAST,
  BPF_JSET_K as IF_ANY_BIT,
  BPF_LD_W_ABS as LOAD,
  BPF_RET_K as RETURN,
  type Instruction,
} from "./bpf.ts";
import {
  AUDIT_ARCH,
  type Processor,
  systemCalls,
} from "./system_call_numbers.ts";

// struct seccomp_data {int nr; u32 arch; u64 instruction_pointer; u64 args[6]}
const NUMBER_AT = 0;
const PROCESSOR_AT = 4;
const ARGUMENTS_AT = 16;
/** Numbers from here on are of the x32 calls, which reach the same kernel functions another way. */
const X32 = 0x40000000;

/** What becomes of a call: `SECCOMP_RET_*` of linux/seccomp.h. */
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
    /** Which argument, from 0. */
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
  /** What else must hold. */
  readonly and?: readonly Condition[];
  /** What becomes of the call where all of it holds. */
  readonly then: number;
};

/** What becomes of one system call. */
export interface Rule {
  /** The call's name; where the processor has no such call, the rule is left out. */
  readonly call: string;
  /** Tried first, in order. */
  readonly checks?: readonly Check[];
  /** Where none of them holds. */
  readonly verdict: number;
}

/** What becomes of every system call. */
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

/**
 * Assembles a policy.
 *
 * @returns An array of `struct sock_filter`.
 */
export function assemblePolicy(
  { rules, others, newer, foreign }: Policy,
  processor: Processor,
): Uint8Array<ArrayBuffer> {
  const numbers = systemCalls(processor);
  const program = foreign === undefined ? [] : keepForeign(foreign, processor);
  program.push([LOAD, 0, 0, NUMBER_AT]);
  if (newer !== undefined) {
    const next = Math.max(...numbers.values()) + 1;
    program.push([IF_AT_LEAST, 0, 1, next], [RETURN, 0, 0, newer]);
  }
  const known = new Set<number>();
  for (const { call, checks = [], verdict } of rules) {
    const number = numbers.get(call);
    if (number === undefined || known.has(number)) continue;
    known.add(number);
    if (checks.length === 0 && verdict === others) continue;
    const block = [...checks.flatMap(checkArgument), [
      RETURN,
      0,
      0,
      verdict,
    ]] as const;
    program.push([IF_EQUAL, 0, block.length, number], ...block);
  }
  program.push([RETURN, 0, 0, others]);
  return assemble(program);
}

function keepForeign(verdict: number, processor: Processor): Instruction[] {
  const checks: Instruction[] = [
    [LOAD, 0, 0, PROCESSOR_AT],
    [IF_EQUAL, 1, 0, AUDIT_ARCH[processor]],
    [RETURN, 0, 0, verdict],
  ];
  if (processor !== "x86_64") return checks;
  const x32: Instruction[] = [
    [LOAD, 0, 0, NUMBER_AT],
    [IF_AT_LEAST, 0, 1, X32],
    [RETURN, 0, 0, verdict],
  ];
  return [...checks, ...x32];
}

/** Every way through a rule's block ends in it, so the number that it overwrites is needed no more. */
function checkArgument(check: Check): Instruction[] {
  const program: Instruction[] = [[RETURN, 0, 0, check.then]];
  // Built from its end, since what does not hold leads there.
  for (const condition of [...check.and ?? [], check]) {
    const past = program.length;
    program.unshift(...load(condition), test(condition, past));
  }
  return program;
}

function load(condition: Condition): Instruction[] {
  const at = ARGUMENTS_AT + 8 * condition.argument;
  const argument: Instruction = [LOAD, 0, 0, at];
  if ("has" in condition || condition.within === undefined) return [argument];
  return [argument, [AND, 0, 0, condition.within]];
}

function test(condition: Condition, past: number): Instruction {
  return "has" in condition
    ? [IF_ANY_BIT, 0, past, condition.has]
    : [IF_EQUAL, 0, past, condition.is];
}
