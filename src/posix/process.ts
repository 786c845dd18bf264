/**
 * Attributes of our processes: name, group, limits.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { check } from "./errno.ts";
import { cLibrary } from "./libc.ts";

const libc = cLibrary(
  "chdir",
  "getpgid",
  "getrlimit",
  "kill",
  "prctl",
  "prctlNumbers",
  "setpgid",
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
 * Names the process for `ps -o comm` and `top`: `prctl(2)` PR_SET_NAME. Does nothing where the
 * system has no such call.
 *
 * @param name At most 15 bytes are kept.
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

/**
 * Changes the directory that relative paths start from: `chdir(2)`.
 *
 * @throws {PosixError} ENOENT, ENOTDIR, EACCES.
 */
export function changeDirectory(path: string): void {
  check(libc.chdir(encoder.encode(path + "\0")), "chdir");
}

/** Changes which permissions new files do not get: `umask(2)`. */
export function setUmask(mask: number): void {
  libc.umask(mask);
}

/**
 * How many descriptors this process may have open, `getrlimit(2)` RLIMIT_NOFILE.
 *
 * @returns The soft limit; Infinity when there is none.
 * @throws {PosixError} When the system refuses.
 */
export function descriptorLimit(): number {
  const limit = new BigUint64Array(2);
  check(
    libc.getrlimit(abi.RLIMIT_NOFILE, new Uint8Array(limit.buffer)),
    "getrlimit",
  );
  return limit[0]! >= 1n << 62n ? Infinity : Number(limit[0]);
}

/**
 * Sends a signal to a process and to what it started, as far as it stayed in its group: `kill(2)`.
 *
 * @returns Whether the process was there.
 */
export function signalGroup(pid: number, signal: number): boolean {
  const isThere = libc.kill(-pid, signal) === 0;
  // It may have left the group to others, or not lead it yet.
  if (isThere && leadsGroup(pid)) return true;
  return signalProcess(pid, signal) || isThere;
}

/**
 * Whether SIGHUP is ignored, as nohup(1) has it: `signal(2)`. Ask before the runtime listens to it.
 */
export function isHangUpIgnored(): boolean {
  const before = libc.signal(SIGHUP, SIG_IGN); // there is no asking without setting
  if (before !== SIG_IGN) libc.signal(SIGHUP, before);
  return before === SIG_IGN;
}

/** Whether a process leads the group that it is in, `getpgid(2)`. */
export function leadsGroup(pid: number): boolean {
  return libc.getpgid(pid) === pid;
}

/**
 * Sends a signal, `kill(2)`.
 *
 * @returns Whether the process was there.
 */
export function signalProcess(pid: number, signal: number): boolean {
  return libc.kill(pid, signal) === 0;
}
