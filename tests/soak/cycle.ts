/**
 * Bytes without end that repeat: what is sent and what must come back are parts of such a stream, so
 * that every byte of a connection can be checked without keeping any.
 *
 * @module
 */
import { sameStart } from "../../src/posix/io.ts";

/** The longest part that can be taken at once. */
export const LONGEST_PART = 128 * 1024;

/** A stream that repeats. */
export class Cycle {
  /** After so many bytes it begins again. */
  readonly period: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** @param once One turn. */
  constructor(once: Uint8Array<ArrayBuffer>) {
    this.period = once.length;
    this.#bytes = new Uint8Array(once.length + LONGEST_PART);
    for (let at = 0; at < this.#bytes.length; at += once.length) {
      this.#bytes.set(once.subarray(0, this.#bytes.length - at), at);
    }
  }

  /** So many bytes from a position; a view, not a copy. */
  part(position: number, length: number): Uint8Array<ArrayBuffer> {
    const from = position % this.period;
    return this.#bytes.subarray(from, from + Math.min(length, LONGEST_PART));
  }

  /** Whether bytes are those from a position on. */
  holds(position: number, bytes: Uint8Array<ArrayBuffer>): boolean {
    const expected = this.part(position, bytes.length);
    return expected.length === bytes.length &&
      sameStart(expected, bytes, bytes.length);
  }

  /** The stream of which each byte is made of this one's. */
  map(change: (byte: number) => number): Cycle {
    return new Cycle(this.#bytes.slice(0, this.period).map(change));
  }
}
