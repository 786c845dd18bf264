/**
 * How long nothing has come and nothing gone.
 *
 * @module
 */

/** Watches one conversation against a limit. */
export class Idleness {
  readonly #limit: number;
  #since = performance.now();

  /**
   * Begins to count.
   *
   * @param limit Milliseconds; 0 for no limit.
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How long to wait for something, in whole milliseconds; -1 for ever. */
  get wait(): number {
    if (this.#limit === 0) return -1;
    const left = this.#since + this.#limit - performance.now();
    return Math.max(0, Math.ceil(left));
  }

  /** Something came or went. */
  stir(): void {
    this.#since = performance.now();
  }
}
