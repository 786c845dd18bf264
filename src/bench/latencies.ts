/**
 * How long answers took, all of them.
 *
 * @module
 */
import { build, type Histogram } from "hdr-histogram-js";

/** A minute in nanoseconds, beyond which a request has long timed out; more is counted as this. */
const MOST = 60e9;

/** A summary, in milliseconds. */
export interface LatencySummary {
  /** How many answers. */
  readonly count: number;
  /** The fastest. */
  readonly min: number;
  /** The arithmetic mean. */
  readonly mean: number;
  /** Half are faster. */
  readonly p50: number;
  /** Nine of ten are faster. */
  readonly p90: number;
  /** 99 of 100 are faster. */
  readonly p99: number;
  /** 999 of 1,000 are faster. */
  readonly p999: number;
  /** The slowest. */
  readonly max: number;
}

/** A point of the distribution: so many percent are not slower than this. */
export interface Quantile {
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

  /** Adds some. */
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
