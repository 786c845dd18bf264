/**
 * Saying little about what somebody else decides how often it happens.
 *
 * @module
 */

/** How long one line must be enough, in milliseconds. */
const INTERVAL = 1_000;

/** A kind: what no process of ours says, or not then. */
export const OUT_OF_TURN = "Reports out of turn";

/** Says one line a second at most, and counts the others. */
export class Sparing {
  readonly #say: (what: string) => void;
  readonly #kind: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #untold = 0;

  /**
   * Makes one.
   *
   * @param say Is told the lines.
   * @param kind What they are about, for the line that says how many were left out.
   */
  constructor(say: (what: string) => void, kind: string) {
    this.#say = say;
    this.#kind = kind;
  }

  /**
   * Says it, unless something was said within the last second.
   *
   * @param what The line.
   */
  say(what: string): void {
    if (this.#timer !== undefined) this.#untold++;
    else {
      this.#pause();
      this.#say(what);
    }
  }

  /** Says how much was left out, and no more later. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellCount();
  }

  #pause(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#untold > 0) this.#pause();
      this.#tellCount();
    }, INTERVAL);
    Deno.unrefTimer(this.#timer);
  }

  #tellCount(): void {
    if (this.#untold === 0) return;
    this.#say(`${this.#kind}: ${this.#untold} more`);
    this.#untold = 0;
  }
}
