/**
 * Telling of refusals without a line for each: whoever floods the server must not flood its log.
 *
 * @module
 */
import type { RefusalReason } from "../server/refusal.ts";

/** How long refusals are collected after one was told, in milliseconds. */
const PAUSE = 1_000;

/** Refusals of one reason that have not been told. */
interface Untold {
  count: number;
  /** The last one's. */
  peer: string;
  timer: ReturnType<typeof setTimeout>;
}

/** Tells the first refusal of a reason at once, and from then on at most once a second how many came. */
export class RefusalLog {
  readonly #tell: (reason: RefusalReason, count: number, peer: string) => void;
  readonly #untold = new Map<RefusalReason, Untold>();

  /**
   * Makes one.
   *
   * @param tell Is told why, how many were refused, and the last one's address.
   */
  constructor(
    tell: (reason: RefusalReason, count: number, peer: string) => void,
  ) {
    this.#tell = tell;
  }

  /**
   * A connection was refused.
   *
   * @param reason Why.
   * @param peer Whose.
   */
  add(reason: RefusalReason, peer: string): void {
    const untold = this.#untold.get(reason);
    if (untold) {
      untold.count++;
      untold.peer = peer;
      return;
    }
    this.#untold.set(reason, { count: 0, peer, timer: this.#later(reason) });
    this.#tell(reason, 1, peer);
  }

  /** Tells what has not been told, and pauses no more. */
  flush(): void {
    for (const [reason, { count, peer, timer }] of this.#untold) {
      clearTimeout(timer);
      if (count > 0) this.#tell(reason, count, peer);
    }
    this.#untold.clear();
  }

  #later(reason: RefusalReason): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const { count, peer } = this.#untold.get(reason)!;
      this.#untold.delete(reason);
      if (count === 0) return;
      this.#untold.set(reason, { count: 0, peer, timer: this.#later(reason) });
      this.#tell(reason, count, peer);
    }, PAUSE);
  }
}
