/**
 * Pausing longer and longer while something keeps failing.
 *
 * @module
 */

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
   * It failed: pauses, twice as long as the last time.
   *
   * @returns Whether a new pause began; false when one was under way.
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
