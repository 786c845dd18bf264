/**
 * What a server tells, and how several receivers hear it.
 *
 * @module
 */
import type { Exit } from "../model/model.ts";
import type { Outcome } from "../wire/records.ts";
import type { ConnectionInfo } from "./connections.ts";

/** Every reason, each with what it means. */
export const REFUSAL_REASONS = [
  /** As many connections are served as may be at a time. */
  "max-connections",
  /** As many connections of this source are served as may be at a time. */
  "max-per-source",
  /** Connections came faster than they may. */
  "rate",
  /** Connections of this source came faster than they may. */
  "rate-per-source",
  /** The source may not connect. */
  "denied",
  /** The connection did not begin with a PROXY protocol header that is in order. */
  "proxy-protocol",
  /** It was admitted, but no process could be had for it. */
  "no-process",
] as const;

/** Why a connection was refused. */
export type RefusalReason = typeof REFUSAL_REASONS[number];

/**
 * What a server tells. Each method is called where it happens and must not throw. Of one connection
 * it is either `rejected` alone, or `accepted`, then `refused`, or `accepted`, `connected` and
 * `disconnected`.
 */
export interface ServerEvents {
  /** A connection came off the backlog and was admitted; no process has it yet. */
  accepted(live: ConnectionInfo): void;
  /**
   * A connection came off the backlog and was turned away: it was closed before any process was spent.
   * Where there is more to say about the reason, `why` says it.
   */
  rejected(peer: string, reason: RefusalReason, why?: string): void;
  /** A process has the connection. */
  connected(live: ConnectionInfo): void;
  /** The connection has ended; `milliseconds` since it was accepted. */
  disconnected(
    live: ConnectionInfo,
    outcome: Outcome,
    milliseconds: number,
  ): void;
  /** A process was reaped. */
  removed(pid: number, exit: Exit): void;
  /** A connection that was admitted was closed without service: no process could be had for it. */
  refused(live: ConnectionInfo, why: string): void;
  /** The system had no room for a connection, or another trouble; the server goes on. */
  trouble(what: string): void;
  /** Connections are served in another way from here on. */
  changed(what: string): void;
  /** No more connections are accepted; `live` of them are still served. */
  draining(live: number): void;
  /** Time is up for what is still served. */
  ending(live: number): void;
}

/** Hears of a server what it wants to. */
export type ServerReceiver = Partial<ServerEvents>;

/**
 * Tells several receivers, in their order. What nobody hears costs an empty call.
 */
export function tellAll(receivers: readonly ServerReceiver[]): ServerEvents {
  return {
    accepted: fanOut(receivers, "accepted"),
    rejected: fanOut(receivers, "rejected"),
    connected: fanOut(receivers, "connected"),
    disconnected: fanOut(receivers, "disconnected"),
    removed: fanOut(receivers, "removed"),
    refused: fanOut(receivers, "refused"),
    trouble: fanOut(receivers, "trouble"),
    changed: fanOut(receivers, "changed"),
    draining: fanOut(receivers, "draining"),
    ending: fanOut(receivers, "ending"),
  };
}

function fanOut<Name extends keyof ServerEvents>(
  receivers: readonly ServerReceiver[],
  name: Name,
): (...args: Parameters<ServerEvents[Name]>) => void {
  const hear = receivers.flatMap((receiver) =>
    receiver[name]
      ? [receiver[name].bind(receiver) as (...args: unknown[]) => void]
      : []
  );
  return (...args) => {
    for (const tell of hear) tell(...args);
  };
}
