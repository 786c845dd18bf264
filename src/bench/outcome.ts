/**
 * What a benchmark found.
 *
 * @module
 */
import type { Failures } from "./frames.ts";
import type { LatencySummary, Quantile } from "./latencies.ts";
import type { Plan } from "./plan.ts";

/** What came in a part of the time. */
export interface Interval {
  /** Its beginning, milliseconds from where measuring began. */
  readonly at: number;
  /** Requests that were answered. */
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

/** What a `hold` found. */
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

/** What a benchmark found. Times are in milliseconds. */
export interface LoadOutcome {
  /** What was asked for. */
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
  /** What came to nothing, by kind. */
  readonly failures: Failures;
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
