/**
 * `fork(2)`, the end of children, and the signals between.
 *
 * @module
 */
import { abi, scratch, viewOf } from "./abi.ts";
import { check, PosixError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { begin, getterOf, own, uncurry } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";
import { pollLater, read } from "./io.ts";

const libc = cLibrary(
  "_exit",
  "alarm",
  "fork",
  "prctlNumbers",
  "signal",
  "signalfd",
  "sigprocmask",
  "waitid",
  "waitpid",
);

const WNOHANG = 1; // sys/wait.h
const WEXITED = 4;
const WNOWAIT = 0x01000000;
const P_ALL = 0;
const SIG_IGN = 1n;
const { SIG_BLOCK } = abi;
const SIG_UNBLOCK = SIG_BLOCK + 1;
const SIG_SETMASK = SIG_BLOCK + 2;
/** SIGUSR2: tells a handler that the server drains. */
export const STOP_SIGNAL: number = abi.SIGUSR2;
const SIG_DFL = 0n;
const SIGCHLD = 17; // asm-generic/signal.h
const SFD_NONBLOCK_CLOEXEC = 0o2004000; // sys/signalfd.h
const PR_SET_CHILD_SUBREAPER = 36; // linux/prctl.h

// Taken out of the table here: a first look at it in a child would cost every child a miss.
const { _exit } = libc;
const statusBytes = scratch(4);
const status = viewOf(statusBytes);
/** A `sigset_t` is 128 bytes; signal n is bit n - 1. */
type SignalSet = Uint8Array<ArrayBuffer>;
export const CHILD_SIGNAL: SignalSet = signalSet(1n << BigInt(SIGCHLD - 1));
export const NO_SIGNAL: SignalSet = signalSet(0n);
const onlyStop = signalSet(1n << BigInt(STOP_SIGNAL - 1));
const previous = signalSet(0n);

/** A child that has ended. */
interface Ended {
  /** Its process id, free from here on. */
  readonly pid: number;
  /** How it ended, in the form of `waitpid(2)`. */
  readonly status: number;
}

/**
 * Makes a copy of this process: `fork(2)` of the C library, which lets libraries notice it. Returns the child's pid
 * in the parent; 0 in the child. Throws `PosixError`: EAGAIN or ENOMEM when the system has no room for one.
 */
export function fork(): number {
  return check(libc.fork(), "fork");
}

/**
 * Takes the status of a child that has ended, without waiting. Returns the child; null when none has ended, or none
 * is left.
 */
export function reap(pid = -1): Ended | null {
  const ended = libc.waitpid(pid, statusBytes, WNOHANG);
  return ended > 0 ? { pid: ended, status: status.getInt32(0, true) } : null;
}

/** Waits for a child to end, and reaps it. Throws `PosixError`: ECHILD when it is no child of this process. */
export function waitFor(pid: number): number {
  check(libc.waitpid(pid, statusBytes, 0), "waitpid");
  return status.getInt32(0, true);
}

/**
 * Which child has ended and waits to be reaped, without reaping it: `waitid(2)` WNOWAIT. Returns its pid; 0 when
 * there is none.
 */
export function peekEnded(): number {
  const info = new Int32Array(32); // siginfo_t: int si_signo, si_errno, si_code; padding; pid_t si_pid
  const SI_PID_AT = 4;
  const result = libc.waitid(
    P_ALL,
    0,
    new Uint8Array(info.buffer),
    WEXITED | WNOHANG | WNOWAIT,
  );
  return result === 0 && info[0] === SIGCHLD ? info[SI_PID_AT]! : 0;
}

/**
 * Lets this process inherit the children of its children that die: `prctl(2)` PR_SET_CHILD_SUBREAPER. It then must
 * reap them.
 */
export function becomeSubreaper(): boolean {
  return libc.prctlNumbers?.(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0;
}

/** The status of a child whose reaper died before reporting it. */
export const UNKNOWN_STATUS: number = -1;

/** Whether a process is a child of this one, running or ended but not reaped. */
export function hasChild(pid: number): boolean {
  const P_PID = 1;
  const info = new Uint8Array(128);
  return libc.waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) === 0;
}

/** The end of a process, from its status (`waitpid(2)`). */
export function decodeStatus(
  waitStatus: number,
): { code: number; signal: number } {
  if (waitStatus === UNKNOWN_STATUS) return { code: -1, signal: 0 };
  const signal = waitStatus & 0x7f;
  return { code: signal === 0 ? waitStatus >> 8 & 0xff : 128 + signal, signal };
}

/**
 * Turns the end of children into something to poll for: blocks SIGCHLD and opens a `signalfd(2)`. Returns the
 * descriptor, readable when a child has ended; the caller's to close. Throws `PosixError` when the system refuses.
 */
export function watchChildren(): Fd {
  check(libc.sigprocmask(SIG_BLOCK, CHILD_SIGNAL, previous), "sigprocmask");
  const { signalfd } = libc;
  if (!signalfd) throw new PosixError("signalfd", 0);
  return new Fd(
    check(signalfd(-1, CHILD_SIGNAL, SFD_NONBLOCK_CLOEXEC), "signalfd"),
  );
}

/**
 * Forgets the signals that made a descriptor of {@linkcode watchChildren} readable. `scratch`: room for them, 128
 * bytes each.
 */
export function drainSignals(
  fd: number,
  scratch: Uint8Array<ArrayBuffer>,
): void {
  read(fd, scratch);
}

/** Lets SIGCHLD through again: the first thing in a forked child. */
export function unblockChildSignal(signals: SignalSet): void {
  libc.sigprocmask(SIG_UNBLOCK, signals, previous);
}

/** Holds SIGUSR2 back, in this thread and those it starts; other threads ignore it. */
function holdStopSignal(): void {
  libc.signal(STOP_SIGNAL, SIG_IGN);
  libc.sigprocmask(SIG_BLOCK, onlyStop, previous);
}

/**
 * Turns SIGUSR2, held back by {@linkcode holdStopSignal}, into something to poll for. Returns the descriptor,
 * readable when it has come, also before; the caller's to close. Throws `PosixError` when the system refuses.
 */
function watchStopSignal(): Fd {
  const { signalfd } = libc;
  if (!signalfd) throw new PosixError("signalfd", 0);
  return new Fd(
    check(signalfd(-1, onlyStop, SFD_NONBLOCK_CLOEXEC), "signalfd"),
  );
}

/** Lets SIGUSR2 through again; one that came in between arrives at once. */
function releaseStopSignal(): void {
  libc.sigprocmask(SIG_UNBLOCK, onlyStop, previous);
}

/** Gives signals their default action. */
export function resetSignals(signals: readonly number[]): void {
  for (const signal of signals) libc.signal(signal, SIG_DFL);
}

/** Has the system end this process by SIGALRM unless it ends before: `alarm(2)`. */
export function endWithin(seconds: number): void {
  libc.alarm(seconds);
}

/** Unblocks every signal, as a program expects. */
export function unblockSignals(): void {
  libc.sigprocmask(SIG_SETMASK, NO_SIGNAL, previous);
}

/** Ends this process at once: no at-exit work of anybody runs, `_exit(2)`. */
export function exitNow(code: number): never {
  _exit(code);
  throw new TypeError("Cannot be reached: _exit does not return");
}

/** As {@linkcode exitNow}, but can be rehearsed. */
export function leave(code: number): void {
  if (code >= 0) _exit(code);
}

/** The name of a signal. For example `SIGKILL`. */
export function signalName(number: number): string {
  return SIGNALS[number] ?? `signal ${number}`;
}

/** asm-generic/signal.h, the ones that end a process. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  10: "SIGUSR1",
  11: "SIGSEGV",
  12: "SIGUSR2",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  31: "SIGSYS",
};

function signalSet(bits: bigint): SignalSet {
  const set = scratch(128);
  viewOf(set).setBigUint64(0, bits, true);
  return set;
}

/*
 * Tells a handler that the server drains: the parent sends SIGUSR2, which stays blocked until the handler reads
 * `connection.signal`.
 */

const { AbortController, DOMException } = globalThis;
const signalOf = getterOf<AbortSignal>(AbortController.prototype, "signal");
const abort = uncurry(AbortController.prototype, "abort");
const { addSignalListener } = Deno;

let controller: AbortController | undefined;

/** A forked child may lack the thread of the runtime's listeners, but all its own hold the signal back. */
let isForked = false;

/** Holds the signal back from here on: it would end a process that is not prepared for it. */
export function prepareStopSignal(process: { isZygote: boolean }): void {
  isForked = process.isZygote;
  holdStopSignal();
}

/** The signal that a drain aborts. */
export function stopSignal(): AbortSignal {
  if (!controller) {
    const made = new AbortController();
    controller = made;
    onStop(() =>
      abort(made, new DOMException("The server is draining", "AbortError"))
    );
  }
  return signalOf(controller);
}

function onStop(stop: () => void): void {
  if (isForked) {
    const fd = watchStopSignal(); // open until this process ends
    return void awaitStop(fd.number, stop);
  }
  begin(() => addSignalListener("SIGUSR2", stop));
  releaseStopSignal();
}

async function awaitStop(fd: number, stop: () => void): Promise<void> {
  await own(pollLater(fd, abi.POLLIN, -1));
  stop();
}
