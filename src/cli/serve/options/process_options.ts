/**
 * The options of `mpserv serve` that say who a connection's process is, and what it may use.
 *
 * @module
 */
import {
  count,
  duration,
  group,
  named,
  option,
  type Values,
} from "../../options.ts";
import { parseNice, parseSize, parseUmask } from "../../values.ts";

/** The table. */
export const PROCESS = group("Limits of processes", {
  user: named(
    "<name[:group]>",
    "become this user once the port is bound (root only)",
    "--user",
    "user",
  ),
  chdir: named("<dir>", "change to this directory", "--chdir", "directory"),
  umask: option(
    "<octal>",
    "permissions that new files do not get, such as 027",
    parseUmask,
  ),
  nice: option("<n>", "priority: -20 goes first, 19 last", parseNice),
  limitCpu: duration("processor time of each process, in whole seconds"),
  limitMemory: option(
    "<size>",
    "memory of each process (handlers: on top of the runtime's)",
    parseSize,
  ),
  limitFiles: count("open descriptors of each process", "limit of files", 1),
  limitProcesses: count(
    "processes and threads of the user, of all connections together",
    "limit of processes",
    1,
  ),
});

/** What was typed of it. */
export type ProcessOptions = Values<typeof PROCESS>;

/**
 * Whether any of it was typed.
 *
 * @param options What was typed, and other things.
 * @returns Whether there is something to look up.
 */
export function asksForStanding(options: ProcessOptions): boolean {
  const { user, chdir, umask, nice } = options;
  const { limitCpu, limitMemory, limitFiles, limitProcesses } = options;
  return [user, chdir, umask, nice, limitCpu, limitMemory, limitFiles]
    .some((one) => one !== undefined) || limitProcesses !== undefined;
}
