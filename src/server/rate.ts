/**
 * How often something may happen: token buckets.
 *
 * A bucket holds `burst` tokens and gets `count` new ones every `per` milliseconds, evenly; each time
 * takes one. All that is kept of a bucket is when it will be full again, so that one which is full is the
 * same as none (this form is known as GCRA). Times are on the clock of `performance.now()`.
 *
 * @module
 */

/** A rate. */
export interface Rate {
  /** So many times … */
  readonly count: number;
  /** … in so many milliseconds, … */
  readonly per: number;
  /** … and so many at once after a while without. */
  readonly burst: number;
}

/** Sums of fractions are not exact: a token that lacks a billionth is one. */
const TOLERANCE = 1e-6;

/** How long until a bucket that will be full at some time has a token, in milliseconds. */
function waitForToken(fullAt: number, now: number, rate: Rate): number {
  const interval = rate.per / rate.count;
  const wait = fullAt - now - (rate.burst - 1) * interval;
  return wait <= TOLERANCE ? 0 : wait;
}

/** When it will be full after a token was taken. */
function takeToken(fullAt: number, now: number, rate: Rate): number {
  return Math.max(fullAt, now) + rate.per / rate.count;
}

/** One bucket. */
export class TokenBucket {
  readonly #rate: Rate;
  #fullAt = 0;

  /** Makes one that is full. */
  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /**
   * How long until there is a token.
   *
   * @returns Milliseconds; 0 when there is one.
   */
  wait(now: number): number {
    return waitForToken(this.#fullAt, now, this.#rate);
  }

  /** Takes a token. */
  take(now: number): void {
    this.#fullAt = takeToken(this.#fullAt, now, this.#rate);
  }
}

/** A bucket for each of many, of which only those that are not full are kept. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #most: number;
  /** When each will be full, in the order in which tokens were last taken. */
  readonly #fullAt = new Map<string, number>();

  constructor(rate: Rate, most: number) {
    this.#rate = rate;
    this.#most = most;
  }

  /** How many are kept. */
  get size(): number {
    return this.#fullAt.size;
  }

  /**
   * How long until there is a token.
   *
   * @returns Milliseconds; 0 when there is one.
   */
  wait(key: string, now: number): number {
    return waitForToken(this.#fullAt.get(key) ?? 0, now, this.#rate);
  }

  /** Takes a token. */
  take(key: string, now: number): void {
    const fullAt = takeToken(this.#fullAt.get(key) ?? 0, now, this.#rate);
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    if (this.#fullAt.size <= this.#most) return;
    const [oldest] = this.#fullAt.keys();
    this.#fullAt.delete(oldest!);
  }

  /** Forgets those that are full. */
  sweep(now: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt <= now) this.#fullAt.delete(key);
    }
  }
}
