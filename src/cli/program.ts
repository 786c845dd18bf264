/**
 * Finding out at start whether a program can be run, before anything listens.
 *
 * @module
 */
import { delimiter, join, resolve } from "node:path";
import { PROGRAM_VARIABLES, selectEnvironment } from "../environment.ts";
import { PosixError } from "../posix/errno.ts";
import { checkExecutable } from "../posix/exec.ts";
import type { ProgramChoice } from "../service/program.ts";
import { UserError } from "./terminal.ts";

/**
 * Separates a program's command line from our own.
 *
 * @param args All that was typed after `mpserv`.
 * @returns What comes before the first `--` of `serve`, and what comes after; undefined without one.
 */
export function splitProgram(
  args: readonly string[],
): { own: readonly string[]; program: readonly string[] | undefined } {
  const at = args[0] === "serve" ? args.indexOf("--") : -1;
  if (at < 0) return { own: args, program: undefined };
  return { own: args.slice(0, at), program: args.slice(at + 1) };
}

/**
 * The program, looked up.
 *
 * @param args Its command line, as typed.
 * @param stderr Where its standard error goes.
 * @param grants Which variables of our environment it finds beside the usual ones.
 * @returns What a process needs to become it.
 * @throws {UserError} When there is no such program, or it cannot be run.
 */
export function resolveProgram(
  args: readonly [string, ...string[]],
  stderr: ProgramChoice["stderr"],
  grants: readonly string[],
): ProgramChoice {
  const env = selectEnvironment(PROGRAM_VARIABLES, grants);
  return { path: find(args[0]), args, env, stderr };
}

/** A name with a slash is a path; any other is looked for in the directories of PATH. */
function find(name: string): string {
  if (name.includes("/")) {
    const path = resolve(name);
    const why = obstacle(path);
    if (why === null) return path;
    throw new UserError(`Cannot run "${name}": ${why}`);
  }
  let nearest: string | null = null;
  for (const directory of (Deno.env.get("PATH") ?? "").split(delimiter)) {
    const path = resolve(join(directory || ".", name));
    const why = obstacle(path);
    if (why === null) return path;
    if (!why.includes("ENOENT")) nearest ??= `found as "${path}": ${why}`;
  }
  throw new UserError(
    `Cannot run "${name}": ${
      nearest ?? "not found on PATH: check the name, or give a path such as ./"
    }`,
  );
}

/** Why a file cannot be run; null when it can. */
function obstacle(path: string): string | null {
  try {
    checkExecutable(path);
    return Deno.statSync(path).isFile
      ? null
      : "it is a directory (EISDIR): give a file in it";
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    const text = error.message.replace(/^\w+: /, "");
    return `${text}: ${HINTS[error.code] ?? "check the path"}`;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "make it executable with `chmod +x`",
};
