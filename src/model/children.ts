/**
 * The children of zygotes that are known by their number: by what they were forked for, and by their pid.
 *
 * Programs that a zygote started and did not live to tell of.
 *
 * Reaping what nobody else reaps: children of a zygote that died, and processes that a program left
 * behind. The parent inherits them (`PR_SET_CHILD_SUBREAPER`, or as the first process of a container).
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import {
  becomeSubreaper,
  hasChild,
  peekEnded,
  reap,
  UNKNOWN_STATUS,
} from "../posix/forking.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import {
  childrenOf,
  descriptorTarget,
  listProcDirectory,
  processorWait,
  processStat,
} from "../posix/proc.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { isKeptForRuntime } from "./runtime_process.ts";
import {
  everySecond,
  MOST_SECONDS,
  Standstill,
  stuckIn,
} from "./supervision.ts";
import { type Zygote, type ZygoteEvents, ZygoteLink } from "./zygote.ts";

/** How far up a process is looked for among our descendants. */
const GENERATIONS = 32;

/** The system calls for zygotes and their children. A test replaces them. */
export interface ProcessSystem {
  zygote(
    options: ChildOptions,
    watcher: Watcher,
    events: ZygoteEvents,
  ): Zygote;
  /** A process that signals can be sent to for as long as `isIts` says so; the caller's to close. */
  open(pid: number, isIts: (pid: number) => boolean): OpenProcess;
  /** Its children, also those that have ended and were not reaped. */
  childrenOf(pid: number): number[];
  /** Whether a process is there and has not ended. */
  isThere(pid: number): boolean;
  /** For how long it has waited for a processor, in seconds. */
  processorWait(pid: number): number;
  isAdopted(pid: number): boolean;
  /** Whether a process has an open file, as `/proc/PID/fd` shows it. */
  hasDescriptor(pid: number, file: string): boolean;
  findStarted(fd: number, parents: readonly number[]): number | null;
  /** Starts to reap children that have no other reaper. */
  orphans(isOurs: (pid: number) => boolean): Pick<Orphans, keyof Orphans>;
}

/** A process that signals can be sent to. */
type OpenProcess = Pick<ProcessHandle, keyof ProcessHandle>;

/** The system itself. */
export const SYSTEM: ProcessSystem = {
  zygote: (options, watcher, events) =>
    new ZygoteLink(options, watcher, events),
  open: (pid, isIts) => new ProcessHandle(pid, isIts),
  childrenOf,
  isThere,
  processorWait,
  isAdopted,
  hasDescriptor,
  findStarted,
  orphans: (isOurs) => new Orphans(isOurs),
};

function isThere(pid: number): boolean {
  const state = processStat(pid)?.state ?? "X";
  return state !== "Z" && state !== "X";
}

/** A child of a zygote. */
interface Child {
  /** The id of the connection or worker that it was forked for. */
  readonly id: number;
  /** Where it came from. */
  readonly zygote: Zygote;
  readonly process: OpenProcess;
}

/** Children that have said who they are, and have not been reaped. */
export class Children {
  readonly #byId = new Map<number, Child>();
  readonly #byPid = new Map<number, Child>();
  readonly #open: ProcessSystem["open"];

  constructor({ open }: Pick<ProcessSystem, "open">) {
    this.#open = open;
  }

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): Iterator<Child> {
    return this.#byId.values();
  }

  /** Adds one that has just said who it is. `pid`: its process, by the kernel's word. */
  add(id: number, pid: number, zygote: Zygote): void {
    const process = this.#open(pid, (pid) => isOf(pid, zygote));
    const child = { id, zygote, process };
    this.#byId.set(id, child);
    this.#byPid.set(pid, child);
  }

  /** Finds one. Returns the child; undefined when there is none. */
  of(pid: number): Child | undefined {
    return this.#byPid.get(pid);
  }

  /** One has been reaped. Returns what it was; undefined when it never said who it is. */
  remove(id: number): Child | undefined {
    const child = this.#byId.get(id);
    if (!child) return undefined;
    this.#byId.delete(id);
    this.#byPid.delete(child.process.pid);
    child.process.close();
    return child;
  }

  /**
   * Ends a process that says what it must not, if it is one of our children or something that they started. `pid`:
   * who said it, by the kernel's word. Returns whether it was there.
   */
  punish(pid: number): boolean {
    const child = this.#byPid.get(pid);
    if (child) return child.process.signal(SIGNALS.SIGKILL);
    using process = this.#open(pid, descendsFromUs);
    return process.signal(SIGNALS.SIGKILL);
  }
}

/** Whether a process is a zygote's child, or one that we adopted from it. */
function isOf(pid: number, zygote: Zygote): boolean {
  const parent = processStat(pid)?.parent;
  return parent === zygote.pid || isAdopted(pid);
}

/**
 * Whether a process is a child of ours that we have not started ourselves: its zygote has gone, or whatever else it
 * came from.
 */
function isAdopted(pid: number): boolean {
  return hasChild(pid) && !isKeptForRuntime(pid);
}

/** Whether a process is none of ours in another role, but was started by one of them, or by what that started. */
export function descendsFromUs(pid: number): boolean {
  if (isKeptForRuntime(pid)) return false;
  for (let i = 0; i < GENERATIONS && pid > 1; i++) {
    const parent = processStat(pid)?.parent;
    if (parent === undefined) return false;
    if (parent === Deno.pid) return true;
    pid = parent;
  }
  return false;
}

/**
 * Looks for the program that serves a connection. Returns its pid; null when no program has the connection, so that
 * another may get it.
 */
function findStarted(
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

/** Those who watch, each for its own children: none may reap another's. */
const watching = new Set<Orphans>();

/** Adopts and reaps. */
export class Orphans {
  readonly #adopted = new Map<number, (status: number) => void>();
  readonly #isOurs: (pid: number) => boolean;
  readonly #sweep = () => this.sweep();

  /** Starts to watch for the end of adopted processes. */
  constructor(isOurs: (pid: number) => boolean) {
    this.#isOurs = isOurs;
    watching.add(this);
    becomeSubreaper();
    Deno.addSignalListener("SIGCHLD", this.#sweep);
  }

  /** How many processes were adopted and have not ended. */
  get size(): number {
    return this.#adopted.size;
  }

  /** Takes a process over from a zygote that has gone. */
  adopt(pid: number, ended: (status: number) => void): void {
    this.#adopted.set(pid, ended);
  }

  /** Reaps the ended children. */
  sweep(): void {
    for (const [pid, ended] of this.#adopted) {
      const child = reap(pid);
      if (!child) continue;
      this.#adopted.delete(pid);
      ended(child.status);
    }
    for (let pid; (pid = peekEnded()) > 0;) {
      const isAwaited = isKeptForRuntime(pid) ||
        [...watching].some((one) => one.#isOurs(pid));
      if (isAwaited || reap(pid) === null) return;
    }
  }

  /**
   * Settles those that were reaped already: a zygote that is killed between reaping a child and saying so
   * takes the status with it.
   */
  settleLost(isReady: (pid: number) => boolean): void {
    for (const [pid, ended] of this.#adopted) {
      if (!isReady(pid) || hasChild(pid)) continue;
      this.#adopted.delete(pid);
      ended(UNKNOWN_STATUS);
    }
  }

  close(): void {
    watching.delete(this);
    Deno.removeSignalListener("SIGCHLD", this.#sweep);
  }
}

/** Whether a process has something open. Returns whether it has; false when it has gone, or may not be looked into. */
function hasDescriptor(pid: number, target: string): boolean {
  try {
    return listProcDirectory(`/proc/${pid}/fd`).some((fd) =>
      descriptorTarget(fd, pid) === target
    );
  } catch {
    return false;
  }
}

/*
 * Finding zygotes that do not fork, and children of theirs that do not report: stopped by somebody, or
 * hung on a lock that belongs to a thread which a forked child does not have.
 */

/** To fork, and to report, is the first thing that each does. */
const MOST = MOST_SECONDS.handed;

/** The questions and events of the watch. */
interface ZygoteWatchEvents {
  /** Whether a child has reported. */
  isBorn(pid: number): boolean;
  /** Something was ended. */
  trouble(what: string): void;
}

/** Whether a zygote speaks for its children, which say nothing themselves: programs that it starts without a fork. */
export function isSpokenFor({ service, attributes }: ChildOptions): boolean {
  return "program" in service && !attributes;
}

/**
 * Looks at zygotes again and again; what waits for one that is ended goes to another. A zygote that was ended by
 * somebody else is looked at, too, while a child of it that has not reported keeps its channel from ending.
 */
export class ZygoteWatch {
  readonly #zygotes: Iterable<Zygote>;
  readonly #late: Iterable<Zygote>;
  readonly #events: ZygoteWatchEvents;
  readonly #isSpokenFor: boolean;
  readonly #system: ProcessSystem;
  close = () => {};
  /** Zygotes to which descriptors were handed. */
  readonly #forking: Standstill<Zygote>;
  readonly #busy = new Standstill<Zygote>();
  /** Children that have not reported. */
  readonly #reporting: Standstill<number>;

  constructor(
    zygotes: Iterable<Zygote>,
    late: Iterable<Zygote>,
    events: ZygoteWatchEvents,
    isSpokenFor: boolean,
    system: ProcessSystem,
  ) {
    this.#zygotes = zygotes;
    this.#late = late;
    this.#events = events;
    this.#isSpokenFor = isSpokenFor;
    this.#system = system;
    this.#forking = new Standstill(({ pid }) => system.processorWait(pid));
    this.#reporting = new Standstill((pid) => system.processorWait(pid));
  }

  /** Looks every second from here on, until it is closed. */
  begin(): void {
    this.close = everySecond(() => this.look());
  }

  look(): void {
    const waitedFor = [...this.#zygotes].filter(({ untaken, isOpen }) =>
      untaken > 0 && isOpen
    );
    // One that was handed a descriptor when it had none has been through with all before.
    const busy = this.#busy.look(waitedFor.map((it) => [it, it.batches]));
    const silent = this.#forking.look(
      waitedFor.map((it) => [it, `${it.batches} ${it.reports}`]),
    );
    const unborn = new Map<number, Zygote>();
    for (const [zygote, looks] of busy) {
      if (looks === 0) continue;
      for (const pid of this.#unbornOf(zygote)) unborn.set(pid, zygote);
    }
    for (const zygote of this.#late) {
      for (const pid of this.#leftBy(zygote)) unborn.set(pid, zygote);
    }
    const reporting = this.#reporting.look(
      [...unborn.keys()].map((pid) => [pid, "handed"]),
    );
    for (const [pid, looks] of reporting) {
      if (looks !== MOST) continue;
      this.#events.trouble(stuckIn(pid, "handed"));
      this.#kill(pid, unborn.get(pid)!);
    }
    for (const [zygote, looks] of silent) {
      const own = [...unborn].filter(([, from]) => from === zygote)
        .map(([pid]) => pid);
      // A connection that it has forked for does not wait for it.
      if (looks < MOST || zygote.untaken <= own.length) continue;
      this.#events.trouble(
        `Killed zygote ${zygote.pid}: it did not fork for ${MOST} s`,
      );
      this.#end(zygote, own.filter((pid) => reporting.get(pid)! > 0));
    }
  }

  /** Ends a zygote, and its children that have not reported. */
  end(zygote: Zygote): void {
    this.#end(zygote, [...this.#unbornOf(zygote), ...this.#leftBy(zygote)]);
  }

  #unbornOf({ pid }: Zygote): number[] {
    if (this.#isSpokenFor) return [];
    const { childrenOf, isThere } = this.#system;
    return childrenOf(pid).filter((child) =>
      !this.#events.isBorn(child) && isThere(child)
    );
  }

  /** The children of a dead zygote that still have its end of the channel; only a child that is not set up yet has it. */
  #leftBy({ end }: Zygote): number[] {
    if (end === null) return [];
    const { childrenOf, isAdopted, hasDescriptor } = this.#system;
    return childrenOf(Deno.pid).filter((pid) =>
      !this.#events.isBorn(pid) && isAdopted(pid) && hasDescriptor(pid, end)
    );
  }

  /** They hold what they were to take, and keep its channel from ending, which tells that it is free. */
  #end(zygote: Zygote, unborn: readonly number[]): void {
    zygote.kill("SIGKILL");
    for (const pid of unborn) this.#kill(pid, zygote);
  }

  #kill(pid: number, zygote: Zygote): void {
    using process = this.#system.open(pid, (pid) => isOf(pid, zygote));
    process.signal(SIGNALS.SIGKILL);
  }
}
