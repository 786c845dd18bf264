/**
 * Who a connection process is, and what it may use: what a person asked for beside the service. It is
 * taken up by each process on its own, after its first connection has come and before a byte of it is
 * read, so that a zygote stays as it is, and no limit stands in the way of the handover.
 *
 * @module
 */
import {
  getLimit,
  type Limit,
  memoryInUse,
  type Resource,
  setLimit,
  setNice,
} from "../posix/limits.ts";
import { giveUpCapabilities, type Kept } from "../posix/capabilities.ts";
import { changeDirectory, setUmask } from "../posix/process.ts";
import { becomeUser, type User } from "../posix/users.ts";

/** What was asked for. */
export interface Standing {
  /** As whom it runs. */
  readonly user?: User | undefined;
  /** Where relative paths start. */
  readonly directory?: string | undefined;
  /** Permissions that new files do not get. */
  readonly umask?: number | undefined;
  /** From -20, which takes all, to 19, which gives way. */
  readonly nice?: number | undefined;
  /**
   * What it may use: `cpu` in whole seconds, `memory` in bytes. The memory of a program is counted
   * from nothing, that of any other service from what the runtime has before it begins.
   */
  readonly limits: Readonly<Partial<Record<Resource, number>>>;
}

/** Bytes: more than any process has. */
const PLENTY = 2 ** 52;

let isTaken = false;
let noted: number | undefined;

/**
 * Looks how much memory this process has, and its children will have when they begin, while that can be
 * asked for: under a strict sandbox no file can be read.
 *
 * @param standing What was asked for.
 */
export function noteMemory(standing: Standing | undefined): void {
  if (standing?.limits.memory !== undefined) noted = memoryInUse();
}

/**
 * What root's children must still be able to do to take it up.
 *
 * @param standing What was asked for.
 * @returns What is kept until then.
 */
export function neededFor(standing: Standing | undefined): Kept {
  if (!standing) return {};
  return {
    everywhere: standing.user ? ["setuid", "setgid"] : [],
    here: ["sys_nice", "sys_resource", "dac_read_search"],
  };
}

/**
 * Takes it up, once in a process.
 *
 * @param standing What was asked for.
 * @param isProgram Whether a program takes this process's place: its memory is limited last, by
 *   {@linkcode programMemory}, since the runtime has more than it may have.
 * @throws {Error} When the system refuses; then nothing must be served.
 */
export function takeStanding(standing: Standing, isProgram: boolean): void {
  if (isTaken) return;
  const { user, directory, umask, nice, limits } = standing;
  if (nice !== undefined) setNice(nice);
  const { cpu, memory, files, processes } = limits;
  // SIGXCPU comes at the first, and can be caught; SIGKILL a second later.
  if (cpu !== undefined) setLimit("cpu", { soft: cpu, hard: cpu + 1 });
  if (files !== undefined) setLimit("files", same(files));
  if (processes !== undefined) setLimit("processes", same(processes));
  if (memory !== undefined && !isProgram) {
    setLimit("memory", same((noted ?? memoryInUse()) + memory));
  }
  if (umask !== undefined) setUmask(umask);
  if (user !== undefined) becomeUser(user);
  if (directory !== undefined) enter(directory);
  if (!isProgram) giveUpCapabilities();
  isTaken = true;
}

/** The directory was there at start; the user alone may not be let in. */
function enter(directory: string): void {
  try {
    changeDirectory(directory);
  } catch (error) {
    throw new TypeError(
      `Cannot change to "${directory}": ${(error as Error).message}`,
    );
  }
}

/**
 * The limit of the memory of the program that this process becomes.
 *
 * @param standing What was asked for.
 * @returns Sets it, right before the program is there: the runtime has more already, so that to compile a
 *   function would end it. Undefined where no limit was asked for.
 * @throws {PosixError} When the system refuses.
 */
export function programMemory(
  { limits: { memory } }: Standing,
): (() => void) | undefined {
  if (memory === undefined) return undefined;
  const limit = (bytes: number) => setLimit("memory", same(bytes));
  limit(Math.min(getLimit("memory").hard, PLENTY)); // so that all of it is compiled
  return () => limit(memory);
}

function same(bound: number): Limit {
  return { soft: bound, hard: bound };
}
