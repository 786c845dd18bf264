/**
 * Ending single connections: a process is asked, then told, then killed.
 *
 * @module
 */
import type { Outcome, Reason } from "../child/wire.ts";
import type { EndSignal } from "../model/model.ts";
import { Countdown } from "./countdown.ts";
import type { Live } from "./live.ts";

/** How long a process has after each step, in milliseconds. */
const GRACE = 2_000;

const STEPS: readonly EndSignal[] = ["stop", "SIGTERM", "SIGKILL"];

/** The connections that the server itself ends, and why. */
export class Endings {
  readonly #processes: { end(live: Live, signal: EndSignal): boolean };
  readonly #sentences = new Map<Live, { reason: Reason; step: number }>();
  readonly #grace = new Countdown<Live>(GRACE, (live) => this.#next(live));

  /**
   * Makes one.
   *
   * @param processes Asks or makes a connection's process end, and says whether that means anything to it.
   */
  constructor(processes: { end(live: Live, signal: EndSignal): boolean }) {
    this.#processes = processes;
  }

  /**
   * Whether a connection is being ended.
   *
   * @param live Which.
   * @returns Whether it is.
   */
  has(live: Live): boolean {
    return this.#sentences.has(live);
  }

  /**
   * Begins to end a connection; one that is being ended already keeps its first reason. One that no
   * process has yet is ended when a process takes it: see {@linkcode took}.
   *
   * @param live Which; {@linkcode settle} or {@linkcode forget} follows.
   * @param reason Why, for the log.
   */
  begin(live: Live, reason: Reason): void {
    if (this.#sentences.has(live)) return;
    this.#sentences.set(live, { reason, step: 0 });
    if (live.pid !== 0) this.#next(live);
  }

  /**
   * A process took a connection.
   *
   * @param live Which.
   */
  took(live: Live): void {
    if (this.#sentences.has(live)) this.#next(live);
  }

  /**
   * A connection has ended.
   *
   * @param live Which.
   * @param outcome How, as its process or its exit tells.
   * @returns How, as it is to be told: whatever its process made of it, the reason is ours if we ended it.
   */
  settle(live: Live, outcome: Outcome): Outcome {
    const sentence = this.#sentences.get(live);
    if (!sentence) return outcome;
    this.forget(live);
    return { ...outcome, reason: sentence.reason, text: "" };
  }

  /**
   * A connection was refused, or has ended.
   *
   * @param live Which.
   */
  forget(live: Live): void {
    this.#sentences.delete(live);
    this.#grace.stop(live);
  }

  #next(live: Live): void {
    const sentence = this.#sentences.get(live)!;
    while (sentence.step < STEPS.length) {
      if (this.#processes.end(live, STEPS[sentence.step++]!)) break;
    }
    if (sentence.step < STEPS.length) this.#grace.start(live);
  }
}
