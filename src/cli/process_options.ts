/**
 * The options of `mpserv serve` that say what a connection's process becomes.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { type ProgramChoice, STDERR_CHOICES } from "../service/program.ts";
import { count, duration, named, valueOf } from "./arguments.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";
import { parseNice, parseSize, parseUmask } from "./values.ts";

/** What was typed of them. */
export interface ProcessOptions {
  /** A program's command line; undefined without one. */
  program?: readonly [string, ...string[]] | undefined;
  /** Where the program's standard error goes. */
  stderr: ProgramChoice["stderr"];
  /** As whom to run: a name or number, and a group after a colon. */
  user?: string | undefined;
  /** Where to run. */
  chdir?: string | undefined;
  /** Permissions that new files do not get. */
  umask?: number | undefined;
  /** From -20 to 19. */
  nice?: number | undefined;
  /** Milliseconds of processor time. */
  limitCpu?: number | undefined;
  /** Bytes of memory. */
  limitMemory?: number | undefined;
  /** Open descriptors. */
  limitFiles?: number | undefined;
  /** Processes and threads of the user. */
  limitProcesses?: number | undefined;
}

/** `--stderr`. */
export const stderrOption = () =>
  new Option("--stderr <where>", "where a program's standard error goes")
    .choices(STDERR_CHOICES).default("server" as const);

/** `--user`. */
export const userOption = () =>
  new Option(
    "--user <name[:group]>",
    "become this user once the port is bound (root only)",
  ).argParser(named("--user"));

/** `--chdir`. */
export const chdirOption = () =>
  new Option("--chdir <dir>", "change to this directory").argParser(
    named("--chdir"),
  );

/** `--umask`. */
export const umaskOption = () =>
  new Option("--umask <octal>", "permissions that new files do not get")
    .argParser(valueOf(parseUmask));

/** `--nice`. */
export const niceOption = () =>
  new Option("--nice <n>", "give way to other processes: -20 to 19")
    .argParser(valueOf(parseNice));

/** `--limit-cpu`. */
export const limitCpuOption = () =>
  duration("--limit-cpu <d>", "processor time, in whole seconds");

/** `--limit-memory`. */
export const limitMemoryOption = () =>
  new Option(
    "--limit-memory <size>",
    "memory: a program's in all, a handler's beyond the runtime's own",
  ).argParser(valueOf(parseSize));

/** `--limit-files`. */
export const limitFilesOption = () =>
  new Option("--limit-files <n>", "open descriptors").argParser(
    count("limit of files", 1),
  );

/** `--limit-processes`. */
export const limitProcessesOption = () =>
  new Option(
    "--limit-processes <n>",
    "processes and threads of the user, of all connections together",
  ).argParser(count("limit of processes", 1));

/** Options that mean nothing to a program, and why. */
const NOT_WITH_PROGRAM: readonly (readonly [option: string, why: string])[] = [
  ["service", "one of them serves"],
  ["handler", "one of them serves"],
];

/**
 * Checks a program's command line against the other options.
 *
 * @param words What came after `--`; undefined without it.
 * @param model The process model.
 * @param typed Says of an option whether it was typed.
 * @returns The command line; undefined when no program serves.
 * @throws {UserError} When they do not go together.
 */
export function checkProgram(
  words: readonly string[] | undefined,
  model: string,
  typed: (option: string) => boolean,
): ProcessOptions["program"] {
  const refuse = (message: string) => {
    throw new UserError(`Cannot use ${message}`, EXIT_USAGE);
  };
  if (words === undefined) {
    if (typed("stderr")) {
      refuse("--stderr without a program: give one after --");
    }
    return undefined;
  }
  const [name, ...args] = words;
  if (!name) return refuse("-- alone: a program comes after it");
  for (const [option, why] of NOT_WITH_PROGRAM) {
    const flag = option.replace(
      /[A-Z]/,
      (letter) => `-${letter.toLowerCase()}`,
    );
    if (typed(option)) refuse(`both --${flag} and a program: ${why}`);
  }
  if (model === "pool") {
    refuse(
      "--model pool with a program: a process that becomes a program cannot take turns: use fork or spawn",
    );
  }
  return [name, ...args];
}
