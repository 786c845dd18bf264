/**
 * Finding out at start whether a program can be run, before anything listens.
 *
 * @module
 */
import { PosixError } from "../../posix/errno.ts";
import { checkExecutable, isDirectory } from "../../posix/exec.ts";
import { PROGRAM_VARIABLES, selectEnvironment } from "../../runtime/roles.ts";
import type { ProgramChoice } from "../../wire/choices.ts";
import { givenEnvironment } from "../given.ts";
import { UserError } from "../terminal.ts";
import { absolute } from "../values.ts";
import { userVariables } from "./resolve_limits.ts";

/** Where `execvp(3)` of glibc looks when PATH is not set. */
const DEFAULT_PATH = "/bin:/usr/bin";

/**
 * The program, looked up.
 *
 * @throws {UserError} When there is no such program, or it cannot be run.
 */
export function resolveProgram(
  args: readonly [string, ...string[]],
  { stderr, grant, user }: {
    readonly stderr: ProgramChoice["stderr"];
    readonly grant?: readonly string[] | undefined;
    readonly user?: string | undefined;
  },
): ProgramChoice {
  const given = givenEnvironment();
  const env = selectEnvironment(PROGRAM_VARIABLES, grant ?? [], given);
  for (const [name, value] of Object.entries(userVariables(user) ?? {})) {
    if (value === "") delete env[name];
    else env[name] = value;
  }
  const path = find(args[0], given.PATH ?? DEFAULT_PATH);
  return { path, args, env, stderr };
}

/** A name with a slash is a path; any other is looked for in the directories of PATH. */
function find(name: string, searched: string): string {
  if (name.includes("/")) {
    const path = absolute(name);
    const why = obstacle(path);
    if (why === null) return path;
    throw new UserError(`Cannot run "${name}": ${why}`);
  }
  let nearest: string | null = null;
  for (const directory of searched.split(":")) {
    const path = absolute(`${directory || "."}/${name}`);
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
    return isDirectory(path)
      ? "it is a directory (EISDIR): give a file in it"
      : null;
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    const text = error.message.replace(/^\w+: /, "");
    return `${text}: ${HINTS[error.code] ?? "check the path"}`;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "make it executable with `chmod +x`",
};
