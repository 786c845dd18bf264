/**
 * A prefix before every line, whatever the pieces that the lines come in.
 *
 * @module
 */

const NEWLINE = 0x0a;

/** Puts a prefix before the first byte of every line. */
export class Prefixer {
  readonly #prefix: Uint8Array;
  #atLineStart = true;

  /**
   * Starts at the start of a line.
   *
   * @param prefix What to put there; an empty one changes nothing.
   */
  constructor(prefix: string) {
    this.#prefix = new TextEncoder().encode(prefix);
  }

  /**
   * Takes the next bytes.
   *
   * @param chunk The bytes, any number of them.
   * @returns The same with the prefix before each line that starts in them; the chunk itself when
   *   none does.
   */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#prefix.length === 0 || chunk.length === 0) return chunk;
    const starts = this.#lineStarts(chunk);
    this.#atLineStart = chunk[chunk.length - 1] === NEWLINE;
    if (starts.length === 0) return chunk;
    const output = new Uint8Array(
      chunk.length + starts.length * this.#prefix.length,
    );
    output.set(chunk.subarray(0, starts[0]));
    let at = starts[0]!;
    starts.forEach((start, i) => {
      const line = chunk.subarray(start, starts[i + 1] ?? chunk.length);
      output.set(this.#prefix, at);
      output.set(line, at + this.#prefix.length);
      at += this.#prefix.length + line.length;
    });
    return output;
  }

  /** Where lines start in a chunk; a newline at its end starts one in the next. */
  #lineStarts(chunk: Uint8Array): number[] {
    const starts = this.#atLineStart ? [0] : [];
    const last = chunk.length - 1;
    for (
      let at = chunk.indexOf(NEWLINE);
      at >= 0 && at < last;
      at = chunk.indexOf(NEWLINE, at + 1)
    ) {
      starts.push(at + 1);
    }
    return starts;
  }
}
