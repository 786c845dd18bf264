/**
 * Finding zygotes that do not fork, and children of theirs that do not report: stopped by somebody, or
 * hung on a lock that belongs to a thread which a forked child does not have.
 *
 * @module
 */
import type { ChildOptions } from "../wire/child_options.ts";
import { SIGNALS } from "../posix/abi.ts";
import { isOf, type ProcessSystem } from "./children.ts";
import {
  everySecond,
  MOST_SECONDS,
  Standstill,
  stuckIn,
} from "./supervision.ts";
import type { Zygote } from "./zygote.ts";

/** To fork, and to report, is the first thing that each does. */
const MOST = MOST_SECONDS.handed;

/** The questions and events of the watch. */
interface ZygoteWatchEvents {
  /** Whether a child has reported. */
  isBorn(pid: number): boolean;
  /** Something was ended. */
  trouble(what: string): void;
}

/**
 * Whether a zygote speaks for its children, which say nothing themselves: programs that it starts
 * without a fork.
 */
export function isSpokenFor({ service, attributes }: ChildOptions): boolean {
  return "program" in service && !attributes;
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
  readonly #system: ProcessSystem;
  /** Looks no more. */
  readonly close: () => void = everySecond(() => this.look());
  /** Zygotes to which descriptors were handed. */
  readonly #forking = new Standstill<Zygote>();
  readonly #busy = new Standstill<Zygote>();
  /** Children that have not reported. */
  readonly #reporting = new Standstill<number>();

  /** Starts to look. */
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
  }

  /** Looks once. */
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
