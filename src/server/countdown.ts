/**
 * One timer for many deadlines of the same length.
 *
 * @module
 */

/** Calls back a fixed time after each of many things began, unless it was over before. */
export class Countdown<Key> {
  readonly #milliseconds: number;
  readonly #late: (key: Key) => void;
  /** When each is late, soonest first: they all have the same time. */
  readonly #due = new Map<Key, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(milliseconds: number, late: (key: Key) => void) {
    this.#milliseconds = milliseconds;
    this.#late = late;
  }

  get size(): number {
    return this.#due.size;
  }

  /** Something begins, or begins anew. */
  start(key: Key): void {
    this.#due.delete(key);
    this.#due.set(key, performance.now() + this.#milliseconds);
    this.#timer ??= setTimeout(() => this.#fire(), this.#milliseconds);
  }

  stop(key: Key): void {
    if (!this.#due.delete(key) || this.#due.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const now = performance.now();
    const late: Key[] = [];
    for (const [key, due] of this.#due) {
      if (due > now) {
        this.#timer = setTimeout(() => this.#fire(), Math.ceil(due - now));
        break;
      }
      late.push(key);
    }
    for (const key of late) this.#due.delete(key);
    for (const key of late) this.#late(key);
  }
}

/** Whether a promise resolves in time. Returns false when the time is up before. */
export async function within(
  milliseconds: number,
  promise: Promise<void>,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
