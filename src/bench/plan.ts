/**
 * The load on a server, and the share of one load process.
 *
 * @module
 */
import type { Address } from "../posix/net/address.ts";

export const MODES = ["connect", "ping", "stream", "hold"] as const;
/**
 * One of {@linkcode MODES}. `connect`: connect, echo a few bytes, close, again and again. `ping`: round
 * trips on connections that stay. `stream`: bytes as fast as they go, both ways at once. `hold`: many
 * connections open at once, which do nothing most of the time.
 */
export type Mode = (typeof MODES)[number];

/** The load that a person asked for. Times are in milliseconds. */
export interface Plan {
  readonly mode: Mode;
  /** The server: an address, not a name. */
  readonly target: Address;
  readonly connections: number;
  /** Processes that make the load, as {@linkcode loadProcesses} says. */
  readonly processes: number;
  /** Bytes of one request, which come back. */
  readonly size: number;
  /** How long is measured; a `hold` takes as long as it takes. */
  readonly duration: number;
  /** How long there is load before, which is not measured. */
  readonly warmup: number;
  /** Requests a second, whether the server keeps up or not; null asks again when the answer is there. */
  readonly rate: number | null;
  /** How long a connection may wait for anything. */
  readonly timeout: number;
}

/** A connection that the coordinating process made and that load processes inherit. */
export interface Inherited {
  readonly fd: number;
  /** Whether the process sends on it. */
  readonly sends: boolean;
  /** Whether the process reads it. */
  readonly receives: boolean;
}

/** The work of one load process, which receives it as JSON. */
export interface Share extends Omit<Plan, "processes"> {
  /** Milliseconds by which the first request of an open loop is later than the start. */
  readonly offset: number;
  /** `stream`: its connections. */
  readonly inherited: readonly Inherited[];
}

/** How many processes can have something to do. */
export function loadProcesses(
  mode: Mode,
  processes: number,
  connections: number,
): number {
  if (mode !== "stream") return Math.min(processes, connections);
  return processes === 1 ? 1 : 2 * Math.min(connections, processes >> 1);
}

/** Divides a plan among its processes. */
export function shares(plan: Plan): Share[] {
  const { connections, rate, processes: count } = plan;
  return Array.from({ length: count }, (_, i) => {
    const mine = Math.floor(connections / count) +
      (i < connections % count ? 1 : 0);
    return {
      ...plan,
      connections: mine,
      rate: rate === null ? null : rate / count,
      offset: rate === null ? 0 : 1000 * i / rate,
      inherited: [],
    };
  });
}

/** Says how far a benchmark is. */
export interface LoadProgress {
  show(fraction: number, text: string): void;
}
