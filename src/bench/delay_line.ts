/**
 * A delay line: every byte comes out a fixed time after it went in, as on a long cable, and not one
 * after the other has arrived.
 *
 * @module
 */

/** What a link is like, in one direction. */
export interface Link {
  /** Milliseconds that a byte travels. */
  readonly delay: number;
  /** Bytes a second that the link takes; null for any number. */
  readonly bandwidth: number | null;
}

/** Bytes on the way at most, where bandwidth does not say how many there can be. */
const MOST = 16 * 2 ** 20;
/** Bytes that may wait in front of a link whose bandwidth is known. */
const QUEUE = 64 * 1024;
/** What a piece costs beside its bytes, so that many small ones are not free. */
const OVERHEAD = 256;

interface Piece {
  /** When it comes out; from then on until it is taken, it waits for the receiver. */
  readonly due: number;
  /** What is left of it; null for the end of the stream. */
  bytes: Uint8Array<ArrayBuffer> | null;
}

/** Bytes on their way in one direction. Times are the caller's, in milliseconds. */
export class DelayLine {
  readonly #link: Link;
  readonly #room: number;
  #pieces: Piece[] = [];
  /** Pieces that came out and are still in the array: taking each off its front would move all others. */
  #taken = 0;
  #held = 0;
  #isEnded = false;
  /** When the link has sent all that it was given. */
  #linkFree = 0;

  constructor(link: Link) {
    const { delay, bandwidth } = link;
    this.#link = link;
    this.#room = bandwidth === null ? MOST : QUEUE + bandwidth * delay / 1000;
  }

  /** Whether it takes more: not when it is full, so that the sender feels a receiver that is slow. */
  get takes(): boolean {
    return !this.#isEnded && this.#held < this.#room;
  }

  /** Whether all came out, and its end. */
  get isOver(): boolean {
    return this.#isEnded && this.#first === undefined;
  }

  /** When the next bytes come out; Infinity when none are on the way. */
  get due(): number {
    return this.#first?.due ?? Infinity;
  }

  /**
   * Puts bytes in.
   *
   * @param bytes The bytes, which are copied.
   */
  push(now: number, bytes: Uint8Array): void {
    const { delay, bandwidth } = this.#link;
    const sending = bandwidth === null ? 0 : 1000 * bytes.length / bandwidth;
    this.#linkFree = Math.max(now, this.#linkFree) + sending;
    const due = this.#linkFree + delay;
    this.#pieces.push({ due, bytes: new Uint8Array(bytes) });
    this.#held += bytes.length + OVERHEAD;
  }

  /** Puts the end of the stream in. */
  end(now: number): void {
    const due = Math.max(now, this.#linkFree) + this.#link.delay;
    this.#pieces.push({ due, bytes: null });
    this.#isEnded = true;
  }

  /**
   * What has come out.
   *
   * @param take Takes bytes and says how many, or -1 for none at present; gets null at the end.
   * @returns Whether all that is due was taken.
   */
  drain(
    now: number,
    take: (bytes: Uint8Array<ArrayBuffer> | null) => number,
  ): boolean {
    for (let piece; (piece = this.#first) && piece.due <= now;) {
      const count = take(piece.bytes);
      if (piece.bytes !== null) {
        if (count < 0) return false;
        this.#held -= count;
        piece.bytes = piece.bytes.subarray(count);
        if (piece.bytes.length > 0) continue;
        this.#held -= OVERHEAD;
      }
      this.#dropFirst();
    }
    return true;
  }

  get #first(): Piece | undefined {
    return this.#pieces[this.#taken];
  }

  #dropFirst(): void {
    this.#taken++;
    if (this.#taken < this.#pieces.length / 2) return;
    this.#pieces = this.#pieces.slice(this.#taken);
    this.#taken = 0;
  }
}
