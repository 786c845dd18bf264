/**
 * Finding zygotes that do not fork, and children of theirs that do not report: stopped by somebody, or
 * hung on a lock that belongs to a thread which a forked child does not have.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { childrenOf, hasDescriptor, processStat } from "../posix/proc.ts";
import { isAdopted, isOf } from "./children.ts";
import type { Zygote } from "./zygote.ts";

const SIGKILL = 9;
/** How often they are looked at, in milliseconds: a connection costs nothing for it. */
const BEAT = 1_000;
/**
 * Looks after which one is stuck: to fork, and to report, is the first thing that each does. Looks are
 * counted, and not time, in which this process may itself have been stopped.
 */
const MOST = 5;
const PATIENCE = `${MOST * BEAT / 1000} s`;

/** What the watch asks and tells. */
export interface ZygoteWatchEvents {
  /** Whether a child has reported. */
  isBorn(pid: number): boolean;
  /** Something was ended. */
  trouble(what: string): void;
}

/**
 * Whether a zygote speaks for its children, which say nothing themselves: programs that it starts
 * without a fork.
 *
 * @param options How they serve.
 * @returns Whether it does.
 */
export function isSpokenFor({ service, standing }: ChildOptions): boolean {
  return "program" in service && !standing;
}

/**
 * Looks at zygotes again and again; what waits for one that is ended goes to another. A zygote
 * that was ended by somebody else is looked at, too, while a child of it that has not reported keeps its
 * channel from ending.
 */
export class ZygoteWatch {
  readonly #zygotes: Iterable<Zygote>;
  readonly #late: Iterable<Zygote>;
  readonly #events: ZygoteWatchEvents;
  readonly #isSpokenFor: boolean;
  readonly #timer: ReturnType<typeof setInterval>;
  /** What each had done, and since how many looks that is all. */
  #last = new Map<Zygote, { spells: number; reports: number; looks: number }>();
  /** Children that have not reported, and how many looks ago they were found so. */
  #unborn = new Map<number, number>();

  /**
   * Starts to look.
   *
   * @param zygotes All there are at any moment.
   * @param late Those that were reaped, while something may still take what they were handed.
   * @param events Is asked about children, and told of what is ended.
   * @param isSpokenFor Whether children do not report.
   */
  constructor(
    zygotes: Iterable<Zygote>,
    late: Iterable<Zygote>,
    events: ZygoteWatchEvents,
    isSpokenFor: boolean,
  ) {
    this.#zygotes = zygotes;
    this.#late = late;
    this.#events = events;
    this.#isSpokenFor = isSpokenFor;
    this.#timer = setInterval(() => this.look(), BEAT);
  }

  /** Looks once. */
  look(): void {
    const last = this.#last, before = this.#unborn;
    this.#last = new Map();
    this.#unborn = new Map();
    for (const zygote of this.#zygotes) {
      const { spells, reports, untaken, isOpen } = zygote;
      if (untaken === 0 || !isOpen) continue;
      const then = last.get(zygote);
      const isSame = then?.spells === spells; // else it has been through with all since
      const looks = isSame && then.reports === reports ? then.looks + 1 : 0;
      this.#last.set(zygote, { spells, reports, looks });
      if (!isSame) continue;
      const unborn = this.#unbornOf(zygote);
      this.#lookAtChildren(zygote, unborn, before);
      // What it has forked for, it does not let wait.
      if (looks < MOST || untaken <= unborn.length) continue;
      this.#events.trouble(
        `Zygote ${zygote.pid} has not forked for ${PATIENCE}: it is ended`,
      );
      this.#end(zygote, unborn.filter((pid) => before.has(pid)));
    }
    for (const zygote of this.#late) {
      this.#lookAtChildren(zygote, this.#leftBy(zygote), before);
    }
  }

  /**
   * Ends a zygote, and its children that have not reported.
   *
   * @param zygote Which; it may have ended.
   */
  end(zygote: Zygote): void {
    this.#end(zygote, [...this.#unbornOf(zygote), ...this.#leftBy(zygote)]);
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }

  #unbornOf({ pid }: Zygote): number[] {
    if (this.#isSpokenFor) return [];
    return childrenOf(pid).filter((child) =>
      !this.#events.isBorn(child) && isThere(child)
    );
  }

  /** Who was forked by a zygote that has gone, and has its end of the channel, which all but the unborn close. */
  #leftBy({ end }: Zygote): number[] {
    if (end === null) return [];
    return childrenOf(Deno.pid).filter((pid) =>
      !this.#events.isBorn(pid) && isAdopted(pid) && hasDescriptor(pid, end)
    );
  }

  #lookAtChildren(
    zygote: Zygote,
    unborn: readonly number[],
    before: ReadonlyMap<number, number>,
  ): void {
    for (const pid of unborn) {
      const looks = (before.get(pid) ?? -1) + 1;
      this.#unborn.set(pid, looks);
      if (looks !== MOST) continue;
      this.#events.trouble(
        `Process ${pid} has said nothing for ${PATIENCE}: it is ended`,
      );
      kill(pid, zygote);
    }
  }

  /** They hold what they were to take, and keep its channel from ending, which tells that it is free. */
  #end(zygote: Zygote, unborn: readonly number[]): void {
    zygote.kill("SIGKILL");
    for (const pid of unborn) kill(pid, zygote);
  }
}

function kill(pid: number, zygote: Zygote): void {
  using process = new ProcessHandle(pid, (pid) => isOf(pid, zygote));
  process.signal(SIGKILL);
}

function isThere(pid: number): boolean {
  const state = processStat(pid)?.state ?? "X";
  return state !== "Z" && state !== "X";
}
