/**
 * A second start of the zygote. On a busy machine, loading the modules can take so many threads at once
 * that the runtime's limit is reached: then no child could start one of its own, and its first file
 * read would hang. A thread that is idle ends after ten seconds; a new start takes a tenth of one.
 *
 * @module
 */
import { startSomewhere } from "../posix/directory.ts";
import { ProgramImage } from "../posix/exec.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { readProcStrings } from "../posix/proc.ts";
import { threadsLeft } from "./threads.ts";

/** Threads that a child is to have for itself. */
const ENOUGH = 8;
/** After so many starts it goes on as it is: the test child says whether that is good enough. */
const MOST_STARTS = 10;
const COUNT = "MPSERV_ZYGOTE_STARTS=";

/**
 * Becomes a new process image, of the same command and under the same pid, if too few threads are left.
 *
 * @throws {PosixError} When the system refuses.
 */
export function startAgainIfCrowded(inherited: readonly Fd[]): void {
  if (threadsLeft() >= ENOUGH) return;
  const variables = readProcStrings("/proc/self/environ");
  const counted = variables.find((variable) => variable.startsWith(COUNT));
  const starts = Number(counted?.slice(COUNT.length) ?? 1);
  if (starts >= MOST_STARTS) return;
  const env = variables.filter((variable) => variable !== counted);
  const image = new ProgramImage(
    "/proc/self/exe",
    readProcStrings("/proc/self/cmdline"),
    [...env, `${COUNT}${starts + 1}`],
    { bytes: 0, variables: 0 },
  );
  for (const fd of inherited) setInherit(fd.number, true);
  startSomewhere(() => image.become([])); // its arguments say where to go, if the directory was removed before
}
