/**
 * The user and the limits of a connection process. The user
 * a process takes up before it runs any of the person's code; a zygote, for all its children. What it may
 * use it takes up after its first connection has come and before a byte of it is read, so that no limit
 * stands in the way of the handover. A program takes up both when it takes the place of its process.
 *
 * @module
 */
import {
  changeDirectory,
  getLimit,
  type Limit,
  memoryInUse,
  type Resource,
  setLimit,
  setNice,
  setUmask,
} from "../posix/process.ts";
import { becomeUser } from "../posix/users.ts";
import type { ProcessAttributes } from "../wire/choices.ts";

/** Bytes: more than any process has. */
const PLENTY = 2 ** 52;

let isLimited = false;
let noted: number | undefined;

/**
 * Looks how much memory this process has, and its children will have when they begin, while that can be
 * asked for: under a strict sandbox no file can be read.
 */
export function noteMemory(attributes: ProcessAttributes | undefined): void {
  if (attributes?.limits.memory !== undefined) noted = memoryInUse();
}

/** Changes to the requested user and limits. Throws `Error` when the system refuses; then nothing must be served. */
export function takeIdentity(attributes: ProcessAttributes): void {
  const { user, directory, umask, nice, limits } = attributes;
  // Later it may not have more than it has now.
  for (const [resource, bound] of Object.entries(limits)) {
    const { soft, hard } = getLimit(resource as Resource);
    const most = resource === "cpu" ? bound + 1 : bound;
    if (most > hard) setLimit(resource as Resource, { soft, hard: most });
  }
  if (nice !== undefined) setNice(nice);
  if (umask !== undefined) setUmask(umask);
  if (user !== undefined) becomeUser(user);
  if (directory !== undefined) enter(directory);
}

/** Takes up the limits, once in a process. Throws `Error` when the system refuses; then nothing must be served. */
export function takeLimits(
  { limits }: ProcessAttributes,
  isProgram: boolean,
): void {
  if (isLimited) return;
  const { cpu, memory, files, processes } = limits;
  // SIGXCPU comes at the first, and can be caught; SIGKILL a second later.
  if (cpu !== undefined) setLimit("cpu", { soft: cpu, hard: cpu + 1 });
  if (files !== undefined) setLimit("files", same(files));
  if (processes !== undefined) setLimit("processes", same(processes));
  if (memory !== undefined && !isProgram) {
    setLimit("memory", same((noted ?? memoryInUse()) + memory));
  }
  isLimited = true;
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
 * The limit of the memory of the program that this process becomes. The result sets it, right before the program is
 * there: the runtime has more already, so that to compile a function would end it. Undefined where no limit was asked
 * for. Throws `PosixError` when the system refuses.
 */
export function programMemory(
  { limits: { memory } }: ProcessAttributes,
): (() => void) | undefined {
  if (memory === undefined) return undefined;
  const limit = (bytes: number) => setLimit("memory", same(bytes));
  limit(Math.min(getLimit("memory").hard, PLENTY)); // so that all of it is compiled
  return () => limit(memory);
}

function same(bound: number): Limit {
  return { soft: bound, hard: bound };
}
