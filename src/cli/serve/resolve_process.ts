/**
 * Looks up the user and limits of the serving processes, and whether a program can be run,
 * before anything listens.
 *
 * @module
 */
import { PosixError } from "../../posix/errno.ts";
import { checkExecutable, isDirectory } from "../../posix/exec.ts";
import { getLimit, type Resource } from "../../posix/process.ts";
import { reasonOf } from "../../posix/reason.ts";
import {
  findGroup,
  findUser,
  groupsOf,
  hasCapability,
  isRoot,
  type User,
} from "../../posix/users.ts";
import { PROGRAM_VARIABLES, selectEnvironment } from "../../runtime/roles.ts";
import type { ProcessAttributes, ProgramChoice } from "../../wire/choices.ts";
import { givenEnvironment } from "../given.ts";
import { absolute } from "../options.ts";
import { UserError } from "../terminal.ts";
import type { ProcessOptions } from "./options/serve_options.ts";
import type { ProgramWords } from "./options/service_options.ts";

/** Descriptors that a process has before it opens any: a program three, the runtime some more. */
const FEWEST_FILES = { program: 3, runtime: 32 };

/** The options of processes, and the service that they are for. */
interface AttributeOptions extends ProcessOptions {
  /** The program that serves. */
  readonly program: ProgramWords | undefined;
}

/** Looks up the options of processes. Throws `UserError` when it cannot be had; the message says why. */
export function resolveAttributes(
  options: AttributeOptions,
): ProcessAttributes {
  const { user, chdir, umask, nice } = options;
  const limits = resolveLimits(options);
  if (nice !== undefined && nice < 0 && !hasCapability("sys_nice")) {
    throw new UserError(
      `Cannot use --nice ${nice}: not root (EACCES): give 0 or more, or start the server as root`,
    );
  }
  return {
    user: user === undefined ? undefined : resolveUser(user),
    directory: chdir === undefined ? undefined : resolveDirectory(chdir),
    umask,
    nice,
    limits,
  };
}

/** `name`, `name:group`, with numbers for either; a number without an entry needs its group. */
function resolveUser(text: string): User {
  const refuse = (why: string): never => {
    throw new UserError(`Cannot become user "${text}": ${why}`);
  };
  const { name, group } = splitUser(text);
  const number = asId(name);
  const entry = findUser(number ?? name);
  if (number === undefined && entry === null) {
    return refuse("no such user: check the name");
  }
  if (!hasCapability("setuid") || !hasCapability("setgid")) {
    refuse("not root (EPERM): start the server as root, or without --user");
  }
  const gid = group === undefined
    ? entry?.gid
    : asId(group) ?? findGroup(group);
  if (gid === undefined) {
    return refuse(`no such user: give a group, as in ${name}:${name}`);
  }
  if (gid === null) {
    return refuse(`no such group as "${group}": check the name`);
  }
  const uid = entry?.uid ?? number!;
  return { uid, gid, groups: entry ? groupsOf(entry.name, gid) : [gid] };
}

/**
 * The variables that say who a process runs as. `user`: as whom, as typed; undefined for who we are. Returns names
 * and values, empty where that user has no name; undefined for what stays as it is.
 */
function userVariables(
  user: string | undefined,
): { HOME: string; USER: string; LOGNAME: string } | undefined {
  if (user === undefined) return undefined;
  const { name } = splitUser(user);
  const entry = findUser(asId(name) ?? name);
  const known = entry?.name ?? "";
  return { HOME: entry?.home || "/", USER: known, LOGNAME: known };
}

function splitUser(text: string): { name: string; group: string | undefined } {
  const [name = "", group] = text.split(/:(.*)/s, 2);
  return { name, group };
}

/** The largest id is not one: it means «no change» to the system. */
function asId(text: string): number | undefined {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  return id < 2 ** 32 - 1 ? id : undefined;
}

function resolveDirectory(path: string): string {
  const why = (() => {
    try {
      if (!Deno.statSync(path).isDirectory) return "not a directory (ENOTDIR)";
      checkExecutable(path); // whoever may enter it
    } catch (error) {
      return error instanceof Deno.errors.NotFound
        ? "no such directory (ENOENT)"
        : reasonOf(error);
    }
  })();
  if (why === undefined) return absolute(path);
  throw new UserError(`Cannot change to "${path}": ${why}: check the path`);
}

function resolveLimits(options: AttributeOptions): ProcessAttributes["limits"] {
  const { limitCpu, limitMemory, limitFiles, limitProcesses } = options;
  const limits: Partial<Record<Resource, number>> = {};
  if (limitCpu !== undefined) {
    limits.cpu = Math.max(1, Math.ceil(limitCpu / 1000));
  }
  if (limitMemory !== undefined) limits.memory = limitMemory;
  if (limitFiles !== undefined) limits.files = limitFiles;
  if (limitProcesses !== undefined) limits.processes = limitProcesses;
  for (const [resource, wanted] of Object.entries(limits)) {
    const { hard } = getLimit(resource as Resource);
    if (wanted <= hard || hasCapability("sys_resource")) continue;
    throw new UserError(
      `Cannot use --limit-${resource} ${wanted}: the system allows ${hard} (EPERM): use at most that, or start the server as root`,
    );
  }
  checkFiles(limits.files, options);
  if (limits.memory !== undefined && Deno.build.os !== "linux") {
    throw new UserError(
      `Cannot use --limit-memory ${limits.memory}: this system cannot limit memory: omit the option`,
    );
  }
  const rootServes = isRoot() && options.user === undefined;
  if (limits.processes !== undefined && rootServes) {
    throw new UserError(
      `Cannot use --limit-processes ${limits.processes}: the system does not limit root: give --user, too`,
    );
  }
  return limits;
}

function checkFiles(
  files: number | undefined,
  { program }: AttributeOptions,
): void {
  const fewest = FEWEST_FILES[program ? "program" : "runtime"];
  if (files === undefined || files >= fewest) return;
  throw new UserError(
    `Cannot use --limit-files ${files}: too few to serve: give at least ${fewest}`,
  );
}

/** Where `execvp(3)` of glibc looks when PATH is not set. */
const DEFAULT_PATH = "/bin:/usr/bin";

/** The program, looked up. Throws `UserError` when there is no such program, or it cannot be run. */
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
