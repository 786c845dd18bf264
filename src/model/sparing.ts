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

/** Says that processes sent reports which they must not, or not then. */
export class OutOfTurn {
  readonly #sparing: Sparing;

  /**
   * Makes one.
   *
   * @param say Is told the lines.
   */
  constructor(say: (what: string) => void) {
    this.#sparing = new Sparing(say, "Reports out of turn");
  }

  /**
   * A process did so.
   *
   * @param pid Which, by the kernel's word.
   * @param isOurs Whether it was one of ours, and so is ended.
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
