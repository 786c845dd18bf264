/**
 * Programs that a zygote started and did not live to tell of.
 *
 * @module
 */
import {
  descriptorTarget,
  listProcDirectory,
  processStat,
} from "../posix/proc.ts";

/**
 * Looks for the program that serves a connection.
 *
 * @returns Its pid; null when no program has the connection, so that another may get it.
 */
export function findStarted(
  fd: number,
  parents: readonly number[],
): number | null {
  const wanted = descriptorTarget(fd);
  if (wanted === null) return null;
  for (const name of listProcDirectory("/proc")) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? processStat(pid) : null;
    if (!stat || !parents.includes(stat.parent)) continue;
    if (descriptorTarget(0, pid) === wanted) return pid;
  }
  return null;
}
