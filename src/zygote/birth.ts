/**
 * A forked child, from its first instruction to its last but one.
 *
 * What makes a forked copy of the zygote a process of its own stands here in one place.
 *
 * In the zygote, once, in this order, and with no return to the event loop afterwards:
 * 1. The runtime's pool of threads is parked: an idle thread would make the first blocking operation
 *    of a child hang (`zygote/threads.ts`).
 * 2. If the service is asynchronous, the event loop is looked at, to be rebuilt in children
 *    (`zygote/renewal.ts`).
 * 3. Memory is made one that children have too: V8 marks its memory MADV_DONTFORK, so that a forked child would
 *    die at its first touch of the heap; the marks are undone, and a seccomp filter keeps them away.
 * 4. Identity is made a question instead of a copy; if the service is asynchronous, random state is used
 *    up (`renewal.ts`).
 * 5. SIGCHLD is blocked and becomes a descriptor.
 *
 * A synchronous service is one of ours: it draws no random number, and never comes to its event loop.
 * What it does not do needs no preparation; if it did it all the same, the child would fail and say so.
 *
 * In each child, in this order:
 * 1. SIGCHLD is let through again; where the runtime's signal thread exists in the zygote, it does not
 *    here, and signals get their default action, or SIGTERM would be swallowed.
 * 2. If the service is asynchronous, random numbers are its own, and it gets an event loop of its own; a
 *    synchronous one uses neither, and saves the cost.
 * 3. The child ends by `_exit(2)` (a handler that calls `Deno.exit` by exit(3), with its own code):
 *    parked threads would keep its event loop alive forever.
 *
 * @module
 */
import { type Rewinder, workRewound } from "../child/rewound.ts";
import { giveUp } from "../child/errors.ts";
import { endedIfDue, serveOne, work } from "../child/serve_one.ts";
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import {
  CHILD_SIGNAL,
  decodeStatus,
  endWithin,
  exitNow,
  fork,
  NO_SIGNAL,
  resetSignals,
  signalName,
  unblockChildSignal,
  waitFor,
} from "../posix/forking.ts";
import { pollLater, pollOne, read, write } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { readProcFile } from "../posix/proc.ts";
import {
  changeDirectory,
  leaveProcessGroup,
  setProcessName,
} from "../posix/process.ts";
import {
  assemblePolicy,
  type Fence,
  giveUpNewPrivileges,
  installFilter,
  type PreparedFilter,
  prepareFilter,
  VERDICTS,
} from "../posix/seccomp/filter.ts";
import type { Processor } from "../posix/seccomp/system_call_numbers.ts";
import type { LoadedService } from "../service/load.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import type { Handover } from "../wire/records.ts";
import { done, ServeError, tell, took } from "../wire/tell.ts";
import {
  type Reactor,
  refuseRandomness,
  renewIdentity,
  renewNodeProcess,
  renewReactor,
  replaceIdentity,
  scanReactor,
  useUpRandomness,
} from "./renewal.ts";
import { parkThreadPool } from "./threads.ts";

const libc = cLibrary("madvise");

const MADV_DONTFORK = 10; // asm-generic/mman-common.h
const MADV_DOFORK = 11;

/**
 * The filter: `madvise(_, _, MADV_DONTFORK)` does nothing and succeeds, all else goes through. Returns an array of
 * `struct sock_filter`.
 */
export function keepForkableFilter(
  processor: Processor,
): Uint8Array<ArrayBuffer> {
  return assemblePolicy({
    rules: [{
      call: "madvise",
      checks: [{ argument: 2, is: MADV_DONTFORK, then: VERDICTS.pretend }],
      verdict: VERDICTS.allow,
    }],
    others: VERDICTS.allow,
    foreign: VERDICTS.allow, // to keep such calls away is not this filter's task
  }, processor);
}

/**
 * Readies what makes all memory of this process, now and later, one that a forked child has too; call it while FFI
 * permission still stands. Throws `PosixError` when the kernel has no seccomp, or refuses it.
 */
function prepareMemory(): () => void {
  const filter = prepareFilter(keepForkableFilter(Deno.build.arch));
  return () => keepMemoryForkable(filter);
}

function keepMemoryForkable(filter: PreparedFilter): void {
  // The filter comes first: what V8 maps between the two steps must not be marked again.
  installAsAnyone(filter);
  // All is told, marked or not: which is would stand in smaps, for which the kernel counts every page.
  for (const line of readProcFile("/proc/self/maps").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range === null) continue;
    const start = BigInt("0x" + range[1]);
    const end = BigInt("0x" + range[2]);
    // Safety: only changes what a later fork copies; the range is the kernel's own answer. Refused for what the
    // kernel itself maps ([vvar], proc(5)), which every process has.
    libc.madvise(start, end - start, MADV_DOFORK);
  }
}

/** Root may do it as it is; anyone else must give up set-user-ID programs. */
function installAsAnyone(filter: PreparedFilter): void {
  try {
    installFilter(filter);
  } catch (error) {
    if (!(error instanceof PosixError) || error.code !== "EACCES") throw error;
    giveUpNewPrivileges();
    installFilter(filter);
  }
}

/** SIGHUP, SIGINT, SIGUSR1, SIGTERM: the runtime may have handlers for them. */
const HANDLED_SIGNALS = [1, 2, 10, 15];

/** The zygote's preparations that a child needs. */
export interface Rebirth {
  /** The event loop that is to be replaced; null where children never come to one. */
  readonly reactor: Reactor | null;
  /** Whether the zygote has threads, beside the pool's, that children lack. */
  readonly lostThreads: boolean;
  /** The signals that it unblocks. */
  readonly signals: Uint8Array<ArrayBuffer>;
  /** Its process name. */
  readonly name: string;
}

const CHILD = "mpserv:conn";
/** The process name of a zygote. */
const ZYGOTE = "mpserv:zygote";

/** Always in one shape, so that code which was rehearsed with one fits the other. */
function rebirthOf(
  reactor: Reactor | null,
  lostThreads: boolean,
  signals: Uint8Array<ArrayBuffer>,
  name: string,
): Rebirth {
  return { reactor, lostThreads, signals, name };
}

/** The same for the zygote itself, which stays what it is when it rehearses. */
export function rehearsedRebirth(
  { reactor, lostThreads }: Rebirth,
): Rebirth {
  return rebirthOf(reactor, lostThreads, NO_SIGNAL, ZYGOTE);
}

/** Readies a process to be forked. */
export class ForkPreparation {
  readonly #asynchronous: boolean;
  readonly #keepMemoryForkable = prepareMemory();

  /** Before a module is loaded, which might keep a reference, and while FFI is still permitted. */
  constructor(asynchronous: boolean) {
    this.#asynchronous = asynchronous;
    replaceIdentity();
    if (!asynchronous) refuseRandomness();
  }

  /**
   * The first four steps above. Throws `Error` when this runtime or kernel cannot be forked; the message says why.
   */
  finish(generators: readonly (() => string)[]): Rebirth {
    const lostThreads = parkThreadPool();
    const reactor = this.#asynchronous ? scanReactor() : null;
    this.#keepMemoryForkable();
    if (this.#asynchronous) useUpRandomness(generators);
    else refuseEventLoop();
    for (const name of [CHILD, ZYGOTE]) setProcessName(name); // its bytes are kept
    return rebirthOf(reactor, lostThreads, CHILD_SIGNAL, CHILD);
  }
}

/**
 * Ends the child that comes to the event loop, which is the zygote's, too: each would take what the other
 * waits for. What nobody caught is the first thing that the runtime looks for there; the zygote itself does not
 * come there any more.
 */
function refuseEventLoop(): void {
  const error = new TypeError(
    "a forked process reached the event loop of its zygote",
  );
  addEventListener("unhandledrejection", () => giveUp(error));
  void Promise.reject(error);
}

/** Makes this forked copy a process of its own. */
export function beReborn(
  { lostThreads, reactor, signals }: Rebirth,
): void {
  unblockChildSignal(signals);
  if (lostThreads) resetSignals(HANDLED_SIGNALS);
  if (reactor === null) return;
  renewIdentity();
  renewReactor(reactor);
  renewNodeProcess();
}

/** The work of a new child. */
export interface Birth {
  /** The record that came with the descriptor. */
  readonly handover: Handover;
  /** A connection, or a worker's channel; the child's. */
  readonly fd: Fd;
}

/** The tools of the zygote. */
export interface Means {
  /** Where descriptors come from, and the zygote reports; a child closes it. */
  readonly channel: Fd;
  /** The socket for reports, which children keep. */
  readonly reports: Fd;
  /** Readable when a child has ended; a child closes it. */
  readonly children: Fd;
  /** The steps that make a copy an independent process. */
  readonly rebirth: Rebirth;
  /** The restrictions that it installs for itself; null if the sandbox needs none. */
  readonly fence: Fence | null;
}

/** Puts the means together, always in one shape, so that code which was rehearsed with them fits. */
export function meansOf(
  { channel, reports, children }: Pick<
    Means,
    "channel" | "reports" | "children"
  >,
  rebirth: Rebirth,
  fence: Fence | null,
): Means {
  return { channel, reports, children, rebirth, fence };
}

/** The first steps of a child. `forkedAt`: when its zygote began to fork it, see {@linkcode monotonic}. */
export function arrive(
  means: Means,
  handover: Handover,
  forkedAt: number,
): void {
  means.fence?.putUp();
  beReborn(means.rebirth);
  setProcessName(means.rebirth.name);
  means.children.close();
  leaveProcessGroup();
  // `took` comes before the channel is closed: see point 7 of the wire.
  const isHeard = handover.kind !== "connection" ||
    tell(means.reports.number, took(handover, forkedAt));
  // Where the parent is there and cannot be told, another child gets the connection.
  if (!isHeard && !hasHungUp(means.channel.number)) exitNow(1);
  means.channel.close();
}

/** Runs the child's job: one connection, or a pool worker's loop. */
export function runChild(
  { handover, fd }: Birth,
  reports: Fd,
  service: LoadedService,
  options: ChildOptions,
  rewinder: Rewinder | null,
): void | Promise<void> {
  if (handover.kind !== "connection") {
    reports.close();
    return handover.kind === "worker"
      ? work(fd, service, options)
      : workRewound(fd, service, options, rewinder);
  }
  return endedIfDue(
    service,
    serveOne(
      service.serve,
      fd,
      handover,
      options,
      (outcome, clientEndedAt) =>
        tell(reports.number, done(handover, outcome, clientEndedAt)),
    ),
  );
}

function hasHungUp(fd: number): boolean {
  return (pollOne(fd, 0, 0) & abi.POLLHUP) !== 0;
}

/* The probe: a test child that does what children may do, and no more, before any client depends on it. */

/** Seconds that the test child has. */
const PATIENCE = 3;
const SIGALRM = 14;
const SHELL = "/bin/sh";

/** Exit codes of the test child, each naming what did not work. */
const FAILURES: Readonly<Record<number, string>> = {
  10: "a timer did not run",
  11: "a thread did not do its work",
  12: "a subprocess could not be run",
  14: "a byte did not arrive",
};

/** A test child at its work. */
interface Probe {
  /**
   * Waits until it has ended. Throws `TypeError` when something did not work; the message says what. Throws
   * `ServeError` when it took too long.
   */
  wait(): void;
}

/** Forks the test child. */
export function forkProbe(
  rebirth: Rebirth,
  { grants, sandbox }: ChildOptions,
): Promise<never> | Probe {
  const pid = fork();
  if (pid === 0) {
    endWithin(PATIENCE); // also when no process waits for it
    beReborn(rebirth);
    if (rebirth.reactor === null) exitNow(passByte());
    const runs = grants.includes("run") && sandbox.level !== "strict";
    return check(runs).then(exitNow, () => exitNow(13));
  }
  return { wait: () => judge(waitFor(pid)) };
}

function judge(status: number): void {
  if (status === 0) return;
  const { code, signal } = decodeStatus(status);
  if (signal === SIGALRM) {
    throw new ServeError(
      "slow",
      `Cannot fork: a forked test process did not finish within ${PATIENCE} s`,
    );
  }
  const what = signal
    ? `it was killed by ${signalName(signal)}`
    : FAILURES[code] ?? "it threw";
  throw new TypeError(`Cannot fork: a forked test process failed: ${what}`);
}

/** A minimal version of a built-in service. */
function passByte(): number {
  const [ours, theirs] = socketPair();
  write(theirs.number, new Uint8Array([1]));
  const byte = new Uint8Array(1);
  return read(ours.number, byte) === 1 && byte[0] === 1 ? 0 : 14;
}

async function check(runs: boolean): Promise<number> {
  const timer = await new Promise((resolve) =>
    setTimeout(() => resolve(true), 1)
  );
  if (!timer) return 10;
  const [ours, theirs] = socketPair();
  const ready = pollLater(ours.number, abi.POLLIN, -1);
  write(theirs.number, new Uint8Array(1));
  if (await ready === 0) return 11;
  if (!runs) return 0;
  changeDirectory("/"); // where the current one has been removed, the runtime starts nothing
  const { code } = await new Deno.Command(SHELL, { args: ["-c", "exit 7"] })
    .output();
  return code === 7 ? 0 : 12;
}
