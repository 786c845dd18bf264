/**
 * When requests are due.
 *
 * @module
 */

/** Times in milliseconds since the start of the load. */
export interface Schedule {
  /**
   * Takes the next request.
   *
   * @param now The time.
   * @returns When it was due; null when none is.
   */
  take(now: number): number | null;
  /** When the next request will be due; Infinity when that depends on answers, or there is none. */
  readonly next: number;
}

/**
 * A closed loop: a request is due as soon as somebody is free to send it. What the server does not
 * answer, nobody asks for.
 *
 * @param end When it is over.
 * @returns The schedule.
 */
export function closedLoop(end: number): Schedule {
  return { take: (now) => now < end ? now : null, next: Infinity };
}

/** How an open loop goes. */
export interface LoadRate {
  /** Requests a second. */
  readonly rate: number;
  /** When the first is due. */
  readonly offset: number;
  /** When it is over: no request is due then or later. */
  readonly end: number;
}

/**
 * An open loop: requests are due at a steady rate, as they come from people who do not know of each
 * other. One that nobody was free to send is sent late, and its latency counts from when it was due:
 * otherwise a server that stops for a second would show one slow answer instead of a second's worth of
 * them ("coordinated omission").
 *
 * @param rate How.
 * @returns The schedule.
 */
export function openLoop({ rate, offset, end }: LoadRate): Schedule {
  let count = 0;
  const due = () => offset + 1000 * count / rate; // not a sum: no rounding piles up
  return {
    take(now) {
      const next = due();
      if (next > now || next >= end) return null;
      count++;
      return next;
    },
    get next() {
      const next = due();
      return next < end ? next : Infinity;
    },
  };
}
