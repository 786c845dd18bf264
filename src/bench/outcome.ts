/**
 * The result of a benchmark: the reports of all load processes together, and every latency.
 *
 * @module
 */
import { build, type Histogram } from "hdr-histogram-js";
import type { Plan } from "./plan.ts";
import type { Frame } from "./recorder.ts";

/** The answers of one interval. */
interface Interval {
  /** Its beginning, milliseconds from where measuring began. */
  readonly at: number;
  readonly requests: number;
  /** Bytes that came back. */
  readonly bytes: number;
}

/** Memory of the server's processes: PSS, which divides what processes share among them (proc(5)). */
export interface ServerMemory {
  /** The server's first process. */
  readonly pid: number;
  /** How many processes it and its descendants are. */
  readonly processes: number;
  /** Bytes of all of them. */
  readonly bytes: number;
}

/** The result of `hold`. */
export interface Held {
  /** Connections that were open at once, and had a round trip each. */
  readonly connections: number;
  /** How many of them were served again at the end. */
  readonly again: number;
  /** Milliseconds that opening all of them took. */
  readonly openTime: number;
  /** Latencies of the second round trip. */
  readonly secondLatency: LatencySummary | null;
  /** The server without a connection; null when it is not of this machine. */
  readonly before: ServerMemory | null;
  /** The server with all of them. */
  readonly during: ServerMemory | null;
  /** Bytes a connection: all of the server's memory divided by the connections. */
  readonly bytesPerConnection: number | null;
}

/** The result of a benchmark. Times are in milliseconds. */
export interface LoadOutcome {
  readonly plan: Plan;
  /** When it ended, ISO 8601. */
  readonly date: string;
  /** Requests that were answered in the time that is measured; connections, where each has its own. */
  readonly requests: number;
  /** The same a second. */
  readonly requestsPerSecond: number;
  /** Bytes that came back a second. */
  readonly bytesPerSecond: number;
  /** How long answers took; a `stream` has none. */
  readonly latency: LatencySummary | null;
  /** The same in detail. */
  readonly distribution: readonly Quantile[];
  readonly failures: Record<string, number>;
  /** How often anything came to nothing. */
  readonly failed: number;
  /** Throughput over time. */
  readonly timeline: readonly Interval[];
  /** Length of an interval of the timeline. */
  readonly interval: number;
  /** Share of its time that the busiest load process used a processor, 0 to 1: near 1, it was what limited. */
  readonly busiest: number | null;
  /** Of a `hold`. */
  readonly held: Held | null;
}

/** A minute in nanoseconds, beyond which a request has long timed out; more is counted as this. */
const MOST = 60e9;

/** A summary, in milliseconds. */
interface LatencySummary {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** A point of the distribution: so many percent are not slower than this. */
interface Quantile {
  /** 0 to 100. */
  readonly percent: number;
  /** Milliseconds. */
  readonly latency: number;
}

/** A histogram with three significant digits from a nanosecond to a minute (HdrHistogram). */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });

  add(microseconds: Float32Array): void {
    for (const latency of microseconds) {
      const nanoseconds = Math.round(1000 * latency);
      this.#histogram.recordValue(Math.min(Math.max(0, nanoseconds), MOST));
    }
  }

  /** The summary; null without any. */
  get summary(): LatencySummary | null {
    const histogram = this.#histogram;
    const count = histogram.totalCount;
    if (count === 0) return null;
    const at = (percent: number) => this.#at(percent);
    return {
      count,
      min: milliseconds(histogram.minNonZeroValue),
      mean: milliseconds(histogram.mean),
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      max: milliseconds(histogram.maxValue),
    };
  }

  /** The distribution, in finer steps the rarer it gets, as far as there are enough to tell. */
  get distribution(): Quantile[] {
    const count = this.#histogram.totalCount;
    if (count === 0) return [];
    const quantiles: Quantile[] = [];
    // Each half of what is left in ten steps: 0 … 50 … 75 … 87.5 …, until one of them is left.
    for (let left = 1; left * count >= 1; left /= 2) {
      for (let step = 0; step < 10; step++) {
        const percent = 100 * (1 - left * (1 - step / 20));
        quantiles.push({ percent, latency: this.#at(percent) });
      }
    }
    return [...quantiles, { percent: 100, latency: this.#at(100) }];
  }

  #at(percent: number): number {
    const { maxValue } = this.#histogram;
    const value = this.#histogram.getValueAtPercentile(percent);
    return milliseconds(Math.min(value, maxValue)); // it answers with the end of a range
  }
}

/** Whole nanoseconds as milliseconds, without digits that mean nothing. */
function milliseconds(nanoseconds: number): number {
  return Math.round(nanoseconds) / 1e6;
}

/** At most so many intervals are kept, in tenths of a second and more. */
const MOST_INTERVALS = 200;

/** Sums and histograms of one load. */
export class Tally {
  /** How long answers took. */
  latencies = new Latencies();
  requests = 0;
  /** Bytes that came back. */
  bytes = 0;
  readonly failures: Record<string, number> = {};
  /** Length of an interval, in milliseconds. */
  readonly interval: number;
  /** The newest word of a load process, in milliseconds since the start. */
  at = 0;
  /** Share of its time that the busiest load process used a processor. */
  busiest: number | null = null;
  readonly #start: number;
  readonly #timeline: { at: number; requests: number; bytes: number }[] = [];

  /** Starts with nothing. `start`: where measuring begins, in milliseconds since the start of the load. */
  constructor(start: number, duration: number) {
    this.#start = start;
    this.interval = 100 * Math.ceil(duration / 100 / MOST_INTERVALS || 1);
  }

  /** Adds a report of a process. `before`: when its frame before was, in milliseconds since the start. */
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

/** The part of the result that every kind of load has. `duration`: milliseconds in which it came. */
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
