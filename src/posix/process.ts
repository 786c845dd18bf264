/**
 * Attributes of our processes: name, group, directory, limits, and the clock that all processes share.
 *
 * @module
 */
import { abi, scratch, viewOf } from "./abi.ts";
import { check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { BigInt, exec, SafePattern } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";
import { readProcFile } from "./proc.ts";

const libc = cLibrary(
  "chdir",
  "clock_gettime",
  "fchdir",
  "getrlimit",
  "open",
  "prctl",
  "prctlNumbers",
  "setpgid",
  "setpriority",
  "setrlimit",
  "signal",
  "umask",
);

const PR_SET_PDEATHSIG = 1; // linux/prctl.h
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const SIGHUP = 1, SIGKILL = 9n;
const SIG_IGN = 1n; // bits/signum-generic.h

const encoder = new TextEncoder();

/**
 * Names the process for `ps -o comm` and `top`: `prctl(2)` PR_SET_NAME. Does nothing where the system has no such
 * call. `name`: at most 15 bytes are kept.
 */
export function setProcessName(name: string): void {
  libc.prctl?.(PR_SET_NAME, processName(name), 0, 0, 0);
}

const names = new Map<string, Uint8Array<ArrayBuffer>>();

/** Its bytes, kept: a name that a zygote rehearsed costs its children no encoding. */
function processName(name: string): Uint8Array<ArrayBuffer> {
  let bytes = names.get(name);
  if (!bytes) names.set(name, bytes = encoder.encode(name + "\0"));
  return bytes;
}

let isTied = false;

/**
 * Has the system kill this process when the thread that started it ends: `prctl(2)` PR_SET_PDEATHSIG. Its
 * own children are not tied. Does nothing where the system has no such call.
 */
export function dieWithParent(): void {
  isTied = libc.prctlNumbers?.(PR_SET_PDEATHSIG, SIGKILL, 0n, 0n, 0n) === 0;
}

/** Undoes {@linkcode dieWithParent}. */
export function outliveParent(): void {
  if (!isTied) return;
  libc.prctlNumbers?.(PR_SET_PDEATHSIG, 0n, 0n, 0n, 0n);
  isTied = false;
}

/**
 * Says whether the files of this process under /proc are its user's: `prctl(2)` PR_SET_DUMPABLE. The kernel
 * takes them away when a process becomes another user. Does nothing where the system has no such call.
 */
export function setDumpable(isDumpable: boolean): void {
  const value = isDumpable ? 1n : 0n;
  libc.prctlNumbers?.(PR_SET_DUMPABLE, value, 0n, 0n, 0n);
}

/**
 * Makes the process a group of its own, so that an interrupt typed at the server's terminal reaches
 * the server alone, which then lets its connections finish: `setpgid(2)`.
 */
export function leaveProcessGroup(): void {
  libc.setpgid(0, 0); // fails only for a session leader, which leads a group already
}

/** Changes the directory that relative paths start from: `chdir(2)`. Throws `PosixError`: ENOENT, ENOTDIR, EACCES. */
export function changeDirectory(path: string): void {
  check(libc.chdir(encoder.encode(path + "\0")), "chdir");
}

/** Changes which permissions new files do not get: `umask(2)`. */
export function setUmask(mask: number): void {
  libc.umask(mask);
}

/**
 * How many descriptors this process may have open, `getrlimit(2)` RLIMIT_NOFILE. Returns the soft limit; Infinity
 * when there is none. Throws `PosixError` when the system refuses.
 */
export function descriptorLimit(): number {
  const limit = new BigUint64Array(2);
  check(
    libc.getrlimit(abi.RLIMIT_NOFILE, new Uint8Array(limit.buffer)),
    "getrlimit",
  );
  return limit[0]! >= 1n << 62n ? Infinity : Number(limit[0]);
}

/** Whether SIGHUP is ignored, as nohup(1) has it: `signal(2)`. Ask before the runtime listens to it. */
export function isHangUpIgnored(): boolean {
  const before = libc.signal(SIGHUP, SIG_IGN); // there is no asking without setting
  if (before !== SIG_IGN) libc.signal(SIGHUP, before);
  return before === SIG_IGN;
}

/* The clock that all processes of a machine share and nobody can set: `clock_gettime(2)`. */

const timespec = scratch(16); // struct timespec {time_t tv_sec; long tv_nsec}
const fields = viewOf(timespec);
const { CLOCK_MONOTONIC } = abi;

/**
 * Microseconds since a moment before this machine's processes began. It makes no object, and on Linux it is no
 * system call (vdso(7)).
 */
export function monotonic(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, timespec); // cannot fail: the clock is there, and so is the buffer
  const seconds = fields.getUint32(0, true) +
    fields.getUint32(4, true) * 0x1_0000_0000;
  return seconds * 1e6 + fields.getUint32(8, true) / 1e3;
}

/** The offset, in microseconds, from `performance.now()` to that clock. */
export function monotonicOffset(): number {
  // Of several looks the one that took least is the nearest.
  let best = { took: Infinity, offset: 0 };
  for (let i = 0; i < 8; i++) {
    const before = performance.now();
    const now = monotonic();
    const took = performance.now() - before;
    if (took < best.took) {
      best = { took, offset: now - 1e3 * (before + took / 2) };
    }
  }
  return best.offset;
}

/*
 * Starting processes of the runtime where the current directory has been removed: none starts in there, and
 * none can be started from there. Linux only.
 */

const O_PATH_DIRECTORY_CLOEXEC = 0o12200000; // asm-generic/fcntl.h

const HERE = new TextEncoder().encode(".\0");

const ROOT = "/";

/** The directory, once it has been removed; held for as long as processes may be started. */
let removed: Fd | undefined;

/** Starts a process, in the root directory where the current one has been removed. Throws what `start` threw. */
export function startSomewhere<T>(start: (removed?: string) => T): T {
  if (!isRemoved()) return start();
  removed ??= new Fd(check(libc.open(HERE, O_PATH_DIRECTORY_CLOEXEC), "open"));
  changeDirectory(ROOT);
  try {
    return start(`/proc/${Deno.pid}/fd/${removed.number}`);
  } finally {
    check(libc.fchdir(removed.number), "fchdir");
  }
}

function isRemoved(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    Deno.cwd();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/**
 * Follows whoever started this process into its directory. `path`: from {@linkcode startSomewhere}; undefined where
 * this process is there already. Throws `PosixError` when it may not: then it must do nothing where it is.
 */
export function followInto(path: string | undefined): void {
  if (path !== undefined) changeDirectory(path);
}

/* Limits of a process: `getrlimit(2)`, `setrlimit(2)`, `setpriority(2)`. */

const PRIO_PROCESS = 0; // sys/resource.h

const RLIM_INFINITY = 1n << 62n; // or more: each system has its own

const RESOURCES = {
  /** Seconds of processor time: RLIMIT_CPU. */
  cpu: 0,
  /** Bytes of private memory that can be written to: RLIMIT_DATA (Linux counts all of it since 4.7). */
  memory: 2,
  /** Bytes of a core file: RLIMIT_CORE. */
  core: 4,
  /** Open descriptors: RLIMIT_NOFILE. */
  files: abi.RLIMIT_NOFILE,
  /** Processes and threads of the user, in all: RLIMIT_NPROC. */
  processes: abi.RLIMIT_NPROC,
} as const;

export type Resource = keyof typeof RESOURCES;

/** A resource's limits. */
interface Limit {
  /** The limit in force; a process may raise it. */
  readonly soft: number;
  /** How far. */
  readonly hard: number;
}

const VM_DATA = new SafePattern(/^VmData:\s+(\d+) kB$/m);

const pair = new BigUint64Array(2); // struct rlimit {rlim_t rlim_cur, rlim_max}
const pairBytes = new Uint8Array(pair.buffer);

/**
 * Reads a limit of this process. Returns its limits; Infinity for none. Throws `PosixError` when the system refuses.
 */
export function getLimit(resource: Resource): Limit {
  check(libc.getrlimit(RESOURCES[resource], pairBytes), "getrlimit");
  const [soft, hard] = [...pair].map((bound) =>
    bound >= RLIM_INFINITY ? Infinity : Number(bound)
  );
  return { soft: soft!, hard: hard! };
}

/**
 * Limits what this process, and those that it starts, may use. Throws `PosixError`: EPERM when it is more than the
 * hard limit, and this is not root.
 */
export function setLimit(resource: Resource, { soft, hard }: Limit): void {
  pair[0] = BigInt(soft);
  pair[1] = BigInt(hard);
  check(libc.setrlimit(RESOURCES[resource], pairBytes), "setrlimit");
}

/**
 * Lowers a soft limit; the hard limit, to which every process may raise it again, stays. `most`: what may be used
 * from here on, unless that is more than the hard limit allows. Throws `PosixError` when the system refuses.
 */
export function lowerSoftLimit(resource: Resource, most: number): void {
  check(libc.getrlimit(RESOURCES[resource], pairBytes), "getrlimit");
  if (pair[0]! <= BigInt(most)) return;
  pair[0] = BigInt(most);
  check(libc.setrlimit(RESOURCES[resource], pairBytes), "setrlimit");
}

/**
 * How much memory this process has that the limit counts. Returns bytes; used or not. Throws `PosixError` when /proc
 * cannot be read.
 */
export function memoryInUse(): number {
  const status = readProcFile("/proc/self/status");
  return 1024 * +(exec(VM_DATA, status)?.[1] ?? 0);
}

/**
 * Changes how willingly this process gives way to others. Throws `PosixError`: EACCES when it is less than before,
 * and this is not root.
 */
export function setNice(value: number): void {
  check(libc.setpriority(PRIO_PROCESS, 0, value), "setpriority");
}
