/**
 * Saying little about what somebody else decides how often it happens.
 *
 * @module
 */

/** How long one line must be enough, in milliseconds. */
const INTERVAL = 1_000;

/** Says one line a second at most, and counts the others. */
export class Sparing {
  readonly #say: (what: string) => void;
  readonly #kind: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #untold = 0;

  constructor(say: (what: string) => void, kind: string) {
    this.#say = say;
    this.#kind = kind;
  }

  /** Says it, unless something was said within the last second. */
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

/** Says that processes sent reports which they must not, or not then. */
export class OutOfTurn {
  readonly #sparing: Sparing;

  constructor(say: (what: string) => void) {
    this.#sparing = new Sparing(say, "Reports out of turn");
  }

  /**
   * A process did so.
   *
   * @param pid Which, by the kernel's word.
   */
  say(pid: number, isOurs = true): void {
    this.#sparing.say(
      isOurs
        ? `Process ${pid} sent a report out of turn: it is ended`
        : `A report out of turn came from process ${pid}, which is none of ours or has ended`,
    );
  }

  /** Says how many were left out, and no more later. */
  close(): void {
    this.#sparing.close();
  }
}
