/**
 * The common parts of all supervisors: they pause before a new start after a failure, wait for the
 * first one to be ready, find those that should have said something or ended long ago (stopped by somebody, spinning, or
 * hung on a lock that belongs to a thread which a forked child does not have), and say sparingly what somebody else
 * decides how often it happens.
 *
 * @module
 */
import { processStat, TICKS } from "../posix/proc.ts";
import { STEPS } from "../wire/records.ts";
import { type ProcessEntry, type ProcessState, StartError } from "./model.ts";

/** The first and the longest pause, in milliseconds. */
const FIRST = 50;
const LONGEST = 2_000;

/** Says when to try again. */
export class Backoff {
  readonly #retry: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delay = 0;

  constructor(retry: () => void) {
    this.#retry = retry;
  }

  /** Whether a pause is under way. */
  get isPausing(): boolean {
    return this.#timer !== undefined;
  }

  /**
   * It failed: pauses, twice as long as the last time. Returns whether a new pause began; false when one was under
   * way.
   */
  pause(): boolean {
    if (this.#timer !== undefined) return false;
    this.#delay = Math.min(2 * this.#delay || FIRST, LONGEST);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#retry();
    }, this.#delay);
    return true;
  }

  /** It worked: the next pause is a short one. */
  reset(): void {
    this.#delay = 0;
  }

  /** Ends the pause under way without a retry. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** How long one step may take, in milliseconds. */
const MOST = 10_000;
/** How much longer a parent waits than a child that looks at the clock itself, in milliseconds. */
const GRACE = 2_000;
/** How many times as long a step of ours may take on a machine so slow that its process computes all the while. */
const SLOWEST = 5;
/**
 * The share of that time in which it must compute: what waits for what never comes takes nothing, and a machine can
 * have fifty others at work.
 */
const AT_WORK = 0.02;

/** The processor time of a process, in seconds; 0 where the system has no /proc. */
function processorTime(pid: number): number {
  return (processStat(pid)?.ticks ?? 0) / TICKS;
}

/** Waits for the first process that is ready to serve. */
export class Progress {
  readonly #processes: () => Iterable<ProcessEntry>;
  readonly #most: number;
  readonly #used: typeof processorTime;
  readonly #proven = Promise.withResolvers<void>();
  /** Whether a process was ready, or could not serve. */
  isOver = false;
  /** Whether the first could not serve. */
  hasFailed = false;
  #step = "starting";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes one; its promise may stay unused. `processes`: those that this one waits for, and others of the same model;
   * `most`: how long one step may take, in milliseconds; `used`: how much one of them has computed, in seconds.
   */
  constructor(
    processes: () => Iterable<ProcessEntry>,
    most = MOST + GRACE,
    used = processorTime,
  ) {
    this.#processes = processes;
    this.#most = most;
    this.#used = used;
    this.#proven.promise.catch(() => {});
  }

  /** Waits until a process is ready. Throws `StartError` when one cannot serve, or says nothing for too long. */
  async wait(): Promise<void> {
    this.#wind();
    try {
      await this.#proven.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  /** A process reports its next step. `what`: such as `loading the module`. */
  step(what: string): void {
    this.#step = what;
    if (this.#timer !== undefined) this.#wind();
  }

  /** A process is ready. */
  ready(): void {
    this.isOver = true;
    this.#proven.resolve();
  }

  /** A process cannot serve. */
  failed(error: StartError): void {
    if (this.isOver) return;
    this.isOver = this.hasFailed = true;
    this.#proven.reject(error);
  }

  /** Those that serve may compute as much as they like: nobody waits for longer because of them. */
  #usedByStarting(): number {
    let seconds = 0;
    for (const { pid, state } of this.#processes()) {
      if (state === "starting" && pid > 0) seconds += this.#used(pid);
    }
    return seconds;
  }

  #wind(): void {
    let used = 0; // looking costs a start more than it is worth: what was used before this step counts once
    let waits = 1;
    const late = () => {
      const before = used;
      used = this.#usedByStarting();
      const seconds = waits * this.#most / 1000;
      const isAtWork = used - before >= AT_WORK * this.#most / 1000;
      // A module that computes without end is a fault of its author's.
      if (this.#step !== STEPS.loading && isAtWork && waits++ < SLOWEST) {
        this.#timer = setTimeout(late, this.#most);
        return;
      }
      this.failed(
        this.#step === STEPS.loading
          ? new StartError(`it is still loading after ${seconds} s`, "handler")
          : new StartError(
            `a process is still ${this.#step} after ${seconds} s`,
            "slow",
          ),
      );
    };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(late, this.#most);
  }
}

/** How often they are looked at, in milliseconds: a connection costs nothing for it. */
const BEAT = 1_000;

/** Of a look, the time for which a process must have waited for a processor, so that the look is none, in seconds. */
const STARVED = 0.5 * BEAT / 1000;

/**
 * Counts for how many looks in a row each of many things has been doing the same. Looks are counted, and not
 * time, in which this process may itself have been stopped.
 */
export class Standstill<Key> {
  readonly #waited: (key: Key) => number;
  #last = new Map<Key, { doing: unknown; looks: number; waited: number }>();

  /** `waited`: for how long one has waited for a processor, in seconds: what is not let run is not stuck. */
  constructor(waited: (key: Key) => number = () => 0) {
    this.#waited = waited;
  }

  /**
   * Looks once. Returns since how many looks each has been doing that; 0 for one that was not seen so before, and
   * nothing about one that was not let run since the last look.
   */
  look(things: Iterable<readonly [Key, unknown]>): ReadonlyMap<Key, number> {
    const last = this.#last, looks = new Map<Key, number>();
    this.#last = new Map();
    for (const [key, doing] of things) {
      const before = last.get(key);
      const stands = before !== undefined && before.doing === doing;
      const waited = stands ? this.#waited(key) : 0;
      const isStarved = stands && before.looks > 0 &&
        waited - before.waited >= STARVED;
      const count = !stands ? 0 : before.looks + (isStarved ? 0 : 1);
      this.#last.set(key, { doing, looks: count, waited });
      if (!isStarved) looks.set(key, count);
    }
    return looks;
  }
}

/** Looks once a second, until the result closes it. Begin late: Deno 2.9 takes some 10 ms for the first timer. */
export function everySecond(look: () => void): () => void {
  const timer = setInterval(look, BEAT);
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}

/** The longest time in a passing state, in seconds; other states have no limit. */
export const MOST_SECONDS = {
  /** `ready`: a runtime may start slowly. */
  starting: 60,
  /** `took`: that is the first thing that a process does. */
  handed: 5,
  /** Nothing: it has only to end. */
  finished: 5,
} as const satisfies Partial<Record<ProcessState, number>>;

/** A state that should pass. */
type PassingState = keyof typeof MOST_SECONDS;

/** Whether a state should pass. */
export function isPassing(state: ProcessState): state is PassingState {
  return state in MOST_SECONDS;
}

/** Whether a process (0: not known) has ended: its stopped zygote does not reap it, or we have not read that it has. */
export function hasExited(pid: number): boolean {
  const stat = processStat(pid);
  return stat ? stat.state === "Z" : pid > 0 && !!processStat(Deno.pid);
}

/** Describes a stuck process. `pid`: the process; 0 if its id is not known yet. */
export function stuckIn(pid: number, state: PassingState): string {
  const seconds = MOST_SECONDS[state];
  const what = pid > 0 ? `process ${pid}` : "a process";
  return state === "finished"
    ? `Killed ${what}: it did not exit within ${seconds} s after its connection`
    : `Killed ${what}: it reported nothing for ${seconds} s`;
}

/** How long one line must be enough, in milliseconds. */
const INTERVAL = 1_000;

/** Says one line a second at most, and counts the others. */
export class Sparing {
  readonly #say: (what: string) => void;
  readonly #kind: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #untold = 0;

  constructor(say: (what: string) => void, kind: string) {
    this.#say = say;
    this.#kind = kind;
  }

  /** Says it, unless something was said within the last second. */
  say(what: string): void {
    if (this.#timer !== undefined) this.#untold++;
    else {
      this.#pause();
      this.#say(what);
    }
  }

  /** Says how much was left out, and no more later. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellCount();
  }

  #pause(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#untold > 0) this.#pause();
      this.#tellCount();
    }, INTERVAL);
    Deno.unrefTimer(this.#timer);
  }

  #tellCount(): void {
    if (this.#untold === 0) return;
    this.#say(`${this.#kind}: ${this.#untold} more`);
    this.#untold = 0;
  }
}

/** Says that processes sent reports which they must not, or not then. */
export class OutOfTurn {
  readonly #sparing: Sparing;

  constructor(say: (what: string) => void) {
    this.#sparing = new Sparing(say, "Unexpected reports");
  }

  /** A process did so. `pid`: which, by the kernel's word. */
  say(pid: number, isOurs = true): void {
    this.#sparing.say(
      isOurs
        ? `Killed process ${pid}: it sent an unexpected report`
        : `Ignored a report of process ${pid}: it is not a running process of this server`,
    );
  }

  /** Says how many were left out, and no more later. */
  close(): void {
    this.#sparing.close();
  }
}
