/**
 * Signals that reach the process that is meant, and never another that got its number: through a pidfd
 * (pidfd_open(2), Linux 5.3). Without pidfds, the owner of the process is checked right before.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { errno } from "./errno.ts";
import { Fd } from "./fd.ts";
import { cLibrary } from "./libc.ts";
import { descriptorLimit } from "./process.ts";

const libc = cLibrary("getpgid", "kill", "syscall", "systemCall");

// asm-generic/unistd.h: the same on every processor. The C library has them since glibc 2.36.
const PIDFD_OPEN = 434n;
const PIDFD_SEND_SIGNAL = 424n;
/** linux/pidfd.h, Linux 6.9: to the group that the process leads. */
const PIDFD_SIGNAL_PROCESS_GROUP = 4;

/** One in so many descriptors that this process may have is for pidfds; what a server does first needs its own. */
const SHARE = 2;
let most: number | undefined;
let open = 0;

/** A process that signals can be sent to. */
export class ProcessHandle implements Disposable {
  /** Its process id, which may be another's once it has been reaped. */
  readonly pid: number;
  readonly #isOurs: (pid: number) => boolean;
  readonly #fd: Fd | null;

  constructor(pid: number, isOurs: (pid: number) => boolean) {
    this.pid = pid;
    this.#isOurs = isOurs;
    this.#fd = openPidfd(pid);
  }

  /** Sends it a signal. Returns whether the process was there, and ours. */
  signal(signal: number): boolean {
    // Held by its descriptor, the process is the one that was looked at.
    if (!this.#isOurs(this.pid)) return false;
    return this.#fd
      ? send(this.#fd.number, signal, 0)
      : signalProcess(this.pid, signal);
  }

  /**
   * Sends a signal to it and to what it started, as far as it stayed in its group. Returns whether the process was
   * there, and ours.
   */
  signalGroup(signal: number): boolean {
    if (!this.#isOurs(this.pid)) return false;
    if (!this.#fd) return signalGroup(this.pid, signal);
    const { number } = this.#fd;
    if (!send(number, signal, PIDFD_SIGNAL_PROCESS_GROUP)) {
      // It leads no group, or the kernel does not know the flag.
      const isOld = errno() === abi.errno.EINVAL && send(number, 0, 0);
      return isOld ? signalGroup(this.pid, signal) : send(number, signal, 0);
    }
    // It may have left the group to others.
    if (!leadsGroup(this.pid)) send(number, signal, 0);
    return true;
  }

  /** Forgets the process; again is harmless. */
  close(): void {
    if (!this.#fd?.isOpen) return;
    open--;
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Null where the system has none, or too few descriptors are left. */
function openPidfd(pid: number): Fd | null {
  const { syscall, systemCall } = libc;
  if (!syscall || !systemCall || Deno.build.os !== "linux") return null;
  most ??= Math.floor(descriptorLimit() / SHARE);
  if (open >= most) return null;
  const fd = syscall(PIDFD_OPEN, pid, 0, null); // close-on-exec
  if (fd < 0) return null;
  open++;
  return new Fd(fd);
}

type Arguments = [bigint, bigint, bigint, bigint];

function send(fd: number, signal: number, flags: number): boolean {
  const numbers = [fd, signal, 0, flags].map(BigInt) as Arguments;
  return libc.systemCall!(PIDFD_SEND_SIGNAL, ...numbers, 0n) === 0;
}

/**
 * Sends a signal to a process and to what it started, as far as it stayed in its group: `kill(2)`. Returns whether
 * the process was there.
 */
function signalGroup(pid: number, signal: number): boolean {
  const isThere = libc.kill(-pid, signal) === 0;
  // It may have left the group to others, or not lead it yet.
  if (isThere && leadsGroup(pid)) return true;
  return signalProcess(pid, signal) || isThere;
}

/** Whether a process leads the group that it is in, `getpgid(2)`. */
function leadsGroup(pid: number): boolean {
  return libc.getpgid(pid) === pid;
}

/** Sends a signal, `kill(2)`. Returns whether the process was there. */
function signalProcess(pid: number, signal: number): boolean {
  return libc.kill(pid, signal) === 0;
}
