/**
 * What the load processes tell, put together.
 *
 * @module
 */
import type { Failures, Frame } from "./frames.ts";
import { Latencies } from "./latencies.ts";
import type { Interval, LoadOutcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";

/** At most so many intervals are kept, in tenths of a second and more. */
const MOST_INTERVALS = 200;

/** Sums and histograms of one load. */
export class Tally {
  /** How long answers took. */
  latencies = new Latencies();
  /** Requests that were answered. */
  requests = 0;
  /** Bytes that came back. */
  bytes = 0;
  /** What came to nothing. */
  readonly failures: Failures = {};
  /** Length of an interval, in milliseconds. */
  readonly interval: number;
  /** The newest word of a load process, in milliseconds since the start. */
  at = 0;
  /** Share of its time that the busiest load process used a processor. */
  busiest: number | null = null;
  readonly #start: number;
  readonly #timeline: { at: number; requests: number; bytes: number }[] = [];

  /**
   * Starts with nothing.
   *
   * @param start Where measuring begins, in milliseconds since the start of the load.
   */
  constructor(start: number, duration: number) {
    this.#start = start;
    this.interval = 100 * Math.ceil(duration / 100 / MOST_INTERVALS || 1);
  }

  /**
   * Adds what a process told.
   *
   * @param before When its frame before was, in milliseconds since the start.
   */
  add(frame: Frame, before: number): void {
    this.requests += frame.done;
    this.bytes += frame.bytes;
    this.latencies.add(frame.latencies);
    this.at = Math.max(this.at, frame.at);
    for (const [kind, count] of Object.entries(frame.failures)) {
      this.failures[kind] = (this.failures[kind] ?? 0) + count;
    }
    if (frame.processorTime !== null && frame.at > 0) {
      const busy = Math.min(1, frame.processorTime / frame.at);
      this.busiest = Math.max(this.busiest ?? 0, busy);
    }
    if (frame.done + frame.bytes > 0) this.#place(frame, before);
  }

  /** How often anything came to nothing. */
  get failed(): number {
    return Object.values(this.failures).reduce((sum, count) => sum + count, 0);
  }

  /** Throughput over time, with nothing left out. */
  get timeline(): Interval[] {
    return Array.from(this.#timeline, (it, i) => it ?? this.#empty(i));
  }

  #place({ at, done, bytes }: Frame, before: number): void {
    const middle = (before + at) / 2 - this.#start;
    const i = Math.max(0, Math.floor(middle / this.interval));
    const interval = this.#timeline[i] ??= this.#empty(i);
    interval.requests += done;
    interval.bytes += bytes;
  }

  #empty(i: number): { at: number; requests: number; bytes: number } {
    return { at: i * this.interval, requests: 0, bytes: 0 };
  }
}

/**
 * What every kind of load has found.
 *
 * @param duration Milliseconds in which it came.
 */
export function summary(
  plan: Plan,
  tally: Tally,
  duration: number,
): Omit<LoadOutcome, "timeline" | "held"> {
  const { requests, bytes, failures, failed, interval, busiest } = tally;
  return {
    plan,
    date: new Date().toISOString(),
    requests,
    requestsPerSecond: 1000 * requests / duration,
    bytesPerSecond: 1000 * bytes / duration,
    latency: tally.latencies.summary,
    distribution: tally.latencies.distribution,
    failures,
    failed,
    interval,
    busiest,
  };
}
