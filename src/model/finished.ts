/**
 * Finding forked children that have said that they are done, and do not end: stopped by somebody, or hung. Each
 * has a place among the connections that there may be at a time.
 *
 * @module
 */

/** How often they are looked at, in milliseconds: a connection costs nothing for it. */
const BEAT = 1_000;
/** Looks after which one is ended; after twice as many, its zygote is, which should have reaped it. */
const MOST = 5;

/** What the watch asks and does. */
export interface FinishedWatchEvents {
  /** The children that are done and have not been reaped. */
  finished(): Iterable<number>;
  /** Ends a child. */
  end(pid: number): void;
  /** Ends the zygote of a child that has been ended. */
  endZygoteOf(pid: number): void;
  /** A person should know. */
  trouble(what: string): void;
}

/** Looks at children again and again. */
export class FinishedWatch {
  readonly #events: FinishedWatchEvents;
  readonly #timer: ReturnType<typeof setInterval>;
  #seen = new Map<number, number>();

  /**
   * Starts to look.
   *
   * @param events What it asks and does.
   */
  constructor(events: FinishedWatchEvents) {
    this.#events = events;
    this.#timer = setInterval(() => this.look(), BEAT);
    Deno.unrefTimer(this.#timer);
  }

  /** Looks once. */
  look(): void {
    const before = this.#seen;
    this.#seen = new Map();
    for (const pid of [...this.#events.finished()]) {
      const looks = (before.get(pid) ?? -1) + 1;
      this.#seen.set(pid, looks);
      if (looks === MOST) {
        const seconds = MOST * BEAT / 1000;
        this.#events.trouble(
          `Process ${pid} had not ended ${seconds} s after its connection: it is ended`,
        );
        this.#events.end(pid);
      } else if (looks === 2 * MOST) this.#events.endZygoteOf(pid);
    }
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
