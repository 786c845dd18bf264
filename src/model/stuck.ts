/**
 * Finding processes that should have said something, or ended, long ago: stopped by somebody, or spinning
 * before their first report or after their last.
 *
 * @module
 */
import { shutdownBoth } from "../posix/sockets.ts";
import type { ModelEvents } from "./model.ts";
import type { Worker } from "./worker.ts";

/** How often they are looked at, in milliseconds: a connection costs nothing for it. */
const BEAT = 1_000;
/** Looks after which one is stuck, by what it is to say next. */
const MOST: Readonly<Record<string, number>> = {
  /** `ready`: a runtime may start slowly. */
  starting: 60,
  /** `took`: that is the first thing that it does. */
  handed: 5,
  /** Nothing: it has only to end. */
  finished: 5,
};

/** Looks at workers again and again, and ends those that are stuck. */
export class StuckWatch {
  readonly #workers: Iterable<Worker>;
  readonly #events: Pick<ModelEvents, "trouble">;
  readonly #timer: ReturnType<typeof setInterval>;
  #seen = new Map<Worker, { key: unknown; looks: number }>();

  /**
   * Starts to look.
   *
   * @param workers All there are at any moment.
   * @param events Are told of each that is ended.
   */
  constructor(
    workers: Iterable<Worker>,
    events: Pick<ModelEvents, "trouble">,
  ) {
    this.#workers = workers;
    this.#events = events;
    this.#timer = setInterval(() => this.look(), BEAT);
    Deno.unrefTimer(this.#timer);
  }

  /** Looks once. */
  look(): void {
    const before = this.#seen;
    this.#seen = new Map();
    for (const worker of [...this.#workers]) {
      const most = MOST[worker.state];
      if (most === undefined) continue;
      const key = worker.handoff ?? worker.state;
      const last = before.get(worker);
      const looks = last?.key === key ? last.looks + 1 : 0;
      if (looks < most) this.#seen.set(worker, { key, looks });
      else this.#end(worker, most * BEAT / 1000);
    }
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** What it was handed goes to another when it has ended: till then it could still take it. */
  #end({ process, channel, state }: Worker, seconds: number): void {
    const { pid } = process;
    const what = pid > 0 ? `Process ${pid}` : "A process";
    const why = state === "finished"
      ? `had not ended ${seconds} s after its connection`
      : `has said nothing for ${seconds} s`;
    this.#events.trouble(`${what} ${why}: it is ended`);
    if (pid > 0) process.kill("SIGKILL");
    else shutdownBoth(channel.number); // nobody knows yet which one it is: it reads its end here
  }
}
