/**
 * The runtime's threads before a fork. Only the forking thread exists in the child, so a lock that
 * another holds, or that is handed to an idle one, is lost there.
 *
 * The runtime's pool for blocking work hands each job to an idle thread through such a lock: with an
 * idle thread, the first file read of a child would hang. With none it starts a new one. So every
 * thread of the pool is kept busy for good, in a wait that nothing ends, with all signals blocked (or
 * it would take the zygote's SIGCHLD).
 *
 * A second start of the zygote. On a busy machine, loading the modules can take so many threads at once
 * that the runtime's limit is reached: then no child could start one of its own, and its first file
 * read would hang. A thread that is idle ends after ten seconds; a new start takes a tenth of one.
 *
 * @module
 */
import { addressOf } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { ProgramImage } from "../posix/exec.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import {
  listProcDirectory,
  readProcFile,
  readProcStrings,
} from "../posix/proc.ts";
import { startSomewhere } from "../posix/process.ts";
import { ServeError } from "../wire/tell.ts";

const libc = cLibrary("getpid", "parkAsync", "poll");

/**
 * Numbers, asm/unistd.h, of `ppoll` (parked), and of `futex` (idle), which is `restart_syscall` in a process
 * that was stopped and goes on: the kernel waits for what is left of the time.
 */
const CALLS = Deno.build.arch === "x86_64"
  ? { ppoll: 271, futex: 202, restart: 219 }
  : { ppoll: 73, futex: 98, restart: 128 };
/** The runtime starts no more for blocking work, and leaves further jobs to threads that a child lacks. */
const MOST_THREADS = 32; // deno_runtime, tokio_util.rs
const PATIENCE = 2_000;

const allSignals = new Uint8Array(new BigUint64Array(16).fill(~0n).buffer);
/** Only who was parked by us waits with this mask: a thread that asks for a name may wait in `ppoll`, too. */
const OUR_MASK = addressOf(allSignals);
const nothing = new Uint8Array(0);

interface Thread {
  readonly name: string;
  readonly call: number;
  readonly isParked: boolean;
}

/**
 * How many threads for blocking work a forked child could still start. Returns the number; 0 when it could not read a
 * file. Throws `PosixError` when /proc cannot be read.
 */
function threadsLeft(): number {
  return MOST_THREADS - otherThreads().filter(isPooled).length;
}

/**
 * Parks every thread of the runtime's pool, without returning to the event loop. `patience`: rounds of one
 * millisecond each. Returns whether other threads exist, such as the one that Deno runs signal listeners on. Throws
 * `ServeError` when the pool does not come to rest. Throws `PosixError` when /proc cannot be read.
 */
export function parkThreadPool(patience: number = PATIENCE): boolean {
  let asked = 0;
  for (let round = 0; round < patience; round++) {
    const threads = otherThreads();
    const pool = threads.filter(isPooled);
    const parked = pool.filter(({ isParked }) => isParked).length;
    if (parked === pool.length) return threads.length > pool.length;
    // Parking more than the idle threads would start another one, and every child would copy a page of its stack.
    const idle = pool.filter(({ call }) =>
      call === CALLS.futex || call === CALLS.restart
    ).length;
    for (; asked - parked < idle; asked++) {
      // Resolves never, here or in any child; nothing waits for it.
      void libc.parkAsync?.(null, 0, null, allSignals);
    }
    libc.poll(nothing, 0, 1);
  }
  throw new ServeError(
    "slow",
    "Cannot fork: the runtime's threads stay busy",
  );
}

function isPooled({ name }: Thread): boolean {
  return name.startsWith("tokio-");
}

/** The threads beside this one, and the system call that each is in, proc_pid_syscall(5). */
function otherThreads(): Thread[] {
  const own = String(libc.getpid());
  const threads: Thread[] = [];
  for (const id of listProcDirectory("/proc/self/task")) {
    if (id === own) continue;
    try {
      const name = readProcFile(`/proc/self/task/${id}/comm`).trim();
      // Its number, and its arguments in hexadecimal; `running` for a thread that is in none.
      const [call, ...args] = readProcFile(`/proc/self/task/${id}/syscall`)
        .split(" ");
      const isParked = Number(call) === CALLS.ppoll &&
        BigInt(args[3]!) === OUR_MASK;
      threads.push({ name, call: Number(call), isParked });
    } catch (error) {
      const code = error instanceof PosixError ? error.code : "";
      if (code !== "ENOENT" && code !== "ESRCH") throw error; // else it ended while we looked
    }
  }
  return threads;
}

/** Threads that a child is to have for itself. */
const ENOUGH = 8;
/** After so many starts it goes on as it is: the test child says whether that is good enough. */
const MOST_STARTS = 10;
const COUNT = "MPSERV_ZYGOTE_STARTS=";

/**
 * Becomes a new process image, of the same command and under the same pid, if too few threads are left. Throws
 * `PosixError` when the system refuses.
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
