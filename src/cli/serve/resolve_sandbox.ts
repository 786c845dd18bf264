/**
 * Chooses the sandbox of connection processes.
 *
 * @module
 */
import { missingLocks } from "../../posix/landlock_abi.ts";
import { VERDICTS } from "../../posix/seccomp/filter.ts";
import { whyNoVerdict } from "../../posix/seccomp/seccomp.ts";
import type { SandboxChoice, SandboxLevel } from "../../wire/choices.ts";
import { UserError } from "../terminal.ts";

/** The options that were typed. */
interface SandboxOptions {
  /** How much is refused; undefined for what fits what serves. */
  sandbox?: SandboxLevel | undefined;
}

/** The service, as far as the sandbox depends on it. */
interface SandboxedService {
  /** A program's command line. */
  readonly program?: readonly string[] | undefined;
  /** A handler's module. */
  readonly handler?: string | undefined;
  /** The permissions of a handler. */
  readonly grant?: readonly string[] | undefined;
}

/** The sandbox that connection processes get. Throws `UserError` when a person asked for what this kernel has not. */
export function resolveSandbox(
  { sandbox }: SandboxOptions,
  { program, handler }: SandboxedService,
): { sandbox: SandboxChoice; warning?: string } {
  const level = sandbox ?? (program || handler ? "default" : "strict");
  const isWanted = sandbox === "strict";
  if (level === "off") {
    return { sandbox: { level, isWanted: false, hasFilters: false } };
  }
  // A program keeps its user's rights; Landlock encloses all others.
  const unlocked = program ? null : missingLocks();
  const warn = (filters: string | null = null) => {
    const locks = unlocked &&
      `Cannot restrict everything that was not granted: ${unlocked}`;
    const warning = [filters, locks].filter((said) => said !== null).join("; ");
    return warning ? { warning } : {};
  };
  if (level === "strict") {
    const why = whyNoVerdict(VERDICTS.notify);
    if (isWanted && (why ?? unlocked)) {
      throw new UserError(
        `Cannot use --sandbox strict: ${why ?? unlocked}: leave the option out`,
      );
    }
    if (why === undefined) {
      return {
        sandbox: { level, isWanted, hasFilters: true },
        ...warn(),
      };
    }
  }
  const why = whyNoVerdict(VERDICTS.kill);
  const hasFilters = why === undefined;
  return {
    sandbox: { level: "default", isWanted: false, hasFilters },
    ...warn(hasFilters ? null : `Cannot filter system calls: ${why}`),
  };
}
