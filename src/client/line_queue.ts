/**
 * Input cut into lines.
 *
 * @module
 */

const NEWLINE = 0x0a;
/** The longest piece, in bytes: a longer line comes in several, as `fgets(3)` gives it. */
export const LONGEST_PIECE = 64 * 1024;

/** Takes input as it comes and gives it line by line. */
export class LineQueue {
  #waiting = new Uint8Array(0);
  #ended = false;

  /**
   * Takes the next bytes, which are copied.
   *
   * @param chunk The bytes, any number of them.
   */
  push(chunk: Uint8Array): void {
    const both = new Uint8Array(this.#waiting.length + chunk.length);
    both.set(this.#waiting);
    both.set(chunk, this.#waiting.length);
    this.#waiting = both;
  }

  /** Says that no more comes: what waits without a newline is the last line. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Gives the next line.
   *
   * @returns The line with its newline, {@linkcode LONGEST_PIECE} bytes of it at most; null when
   *   there is none yet, or, after {@linkcode end}, no more.
   */
  take(): Uint8Array<ArrayBuffer> | null {
    const waiting = this.#waiting;
    const newline = waiting.subarray(0, LONGEST_PIECE).indexOf(NEWLINE);
    const whole = newline >= 0 || this.#ended ||
      waiting.length >= LONGEST_PIECE;
    if (!whole || waiting.length === 0) return null;
    const length = newline >= 0 ? newline + 1 : LONGEST_PIECE;
    this.#waiting = waiting.subarray(length);
    return waiting.subarray(0, length);
  }
}
