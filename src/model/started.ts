/**
 * Programs that a zygote started and did not live to tell of.
 *
 * @module
 */
import {
  descriptorTarget,
  listProcDirectory,
  readProcFile,
} from "../posix/proc.ts";

/**
 * Looks for the program that serves a connection.
 *
 * @param fd The parent's copy of the connection.
 * @param parents Whose child it may be: the zygote's, which may not have ended altogether, or ours,
 *   which adopt what it leaves.
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
    if (!Number.isInteger(pid) || !parents.includes(parentOf(pid))) continue;
    if (descriptorTarget(0, pid) === wanted) return pid;
  }
  return null;
}

/** The parent of a process, proc_pid_stat(5); 0 when it has gone. */
function parentOf(pid: number): number {
  try {
    const stat = readProcFile(`/proc/${pid}/stat`);
    // pid (comm) state ppid …; comm may hold anything, blanks and brackets too
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0;
  }
}
