/**
 * Telling of refusals without a line for each: whoever floods the server must not flood its log.
 *
 * @module
 */
import type { RefusalReason } from "../../server/refusal.ts";

/** How long refusals are collected after one was told, in milliseconds. */
const PAUSE = 1_000;

/** One that was refused. */
export interface Refused {
  /** Its address. */
  readonly peer: string;
  /** More about the reason, where there is more to say. */
  readonly why?: string | undefined;
}

/** Refusals of one reason that have not been told. */
interface Untold {
  count: number;
  last: Refused;
  timer: ReturnType<typeof setTimeout>;
}

/** Tells the first refusal of a reason at once, and from then on at most once a second how many came. */
export class RefusalLog {
  readonly #tell: (reason: RefusalReason, count: number, last: Refused) => void;
  readonly #untold = new Map<RefusalReason, Untold>();

  /**
   * Makes one.
   *
   * @param tell Is told why, how many were refused, and who was the last.
   */
  constructor(
    tell: (reason: RefusalReason, count: number, last: Refused) => void,
  ) {
    this.#tell = tell;
  }

  /**
   * A connection was refused.
   *
   * @param reason Why.
   * @param refused Who.
   */
  add(reason: RefusalReason, refused: Refused): void {
    const untold = this.#untold.get(reason);
    if (untold) {
      untold.count++;
      untold.last = refused;
      return;
    }
    this.#untold.set(reason, {
      count: 0,
      last: refused,
      timer: this.#later(reason),
    });
    this.#tell(reason, 1, refused);
  }

  /** Tells what has not been told, and pauses no more. */
  flush(): void {
    for (const [reason, { count, last, timer }] of this.#untold) {
      clearTimeout(timer);
      if (count > 0) this.#tell(reason, count, last);
    }
    this.#untold.clear();
  }

  #later(reason: RefusalReason): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const { count, last } = this.#untold.get(reason)!;
      this.#untold.delete(reason);
      if (count === 0) return;
      this.#untold.set(reason, { count: 0, last, timer: this.#later(reason) });
      this.#tell(reason, count, last);
    }, PAUSE);
  }
}
