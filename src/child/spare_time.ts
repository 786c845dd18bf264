/**
 * When a zygote that is at work rehearses what is not warm yet: nothing that was accepted waits for it.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";

/** How long nobody must have come before it begins, or goes on, in milliseconds. */
export const QUIET = 20;
/**
 * So many forks without a quiet moment, and a slice follows each: under a load that never ends, each child would
 * compile what the zygote can compile once, which takes many times as long as a slice.
 */
const MOST_COLD = 64;

/** A rehearsal, and the time for it. */
export class SpareTime {
  readonly #slices: AsyncIterator<void>;
  #isOver: boolean;
  #forks = 0;

  /**
   * Makes one.
   *
   * @param slices The rehearsal, of which each slice takes some milliseconds; null where nothing is left to be
   *   rehearsed.
   */
  constructor(slices: AsyncIterable<void> | null) {
    this.#slices = (slices ?? nothing())[Symbol.asyncIterator]();
    this.#isOver = slices === null;
  }

  /** Whether nothing is left to be rehearsed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * A child was forked.
   *
   * @returns Whether it is time for a slice, whoever waits.
   */
  forked(): boolean {
    return ++this.#forks > MOST_COLD && !this.#isOver;
  }

  /**
   * Rehearses a slice, and others as long as nobody comes. Where the system refuses, forks cost more from here
   * on, and all else is the same.
   */
  async use(hasWork: () => boolean): Promise<void> {
    try {
      do {
        const { done = false } = await this.#slices.next();
        this.#isOver = done;
      } while (!this.#isOver && !hasWork());
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      this.#isOver = true;
    }
  }
}

async function* nothing(): AsyncGenerator<void> {}
