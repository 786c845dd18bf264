/**
 * A server's running totals.
 *
 * @module
 */
import { type Outcome, type Reason, REASONS } from "../wire/records.ts";
import {
  type ConnectionInfo,
  REFUSAL_REASONS,
  type RefusalReason,
  type ServerReceiver,
} from "./events.ts";

/**
 * Totals since the server was started. They add up exactly, at any moment: `accepted` is `active`, all
 * of `ended` and all of `refused` together.
 */
export interface TotalsSnapshot {
  /** Connections that came off the backlog. */
  readonly accepted: number;
  /** Those of them that a process took. */
  readonly served: number;
  /** Those that have neither ended nor been refused. */
  readonly active: number;
  /** Those that were served and have ended, by why. */
  readonly ended: Readonly<Record<Reason, number>>;
  /** Those that were closed without service, by why. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
}

/** Counts what a server tells. */
export class Totals implements ServerReceiver {
  #accepted = 0;
  #served = 0;
  #active = 0;
  readonly #ended = zeros(REASONS);
  readonly #refused = zeros(REFUSAL_REASONS);

  /** A connection was admitted. */
  accepted(): void {
    this.#accepted++;
    this.#active++;
  }

  /** A connection was turned away. */
  rejected(_peer: string, reason: RefusalReason): void {
    this.#accepted++;
    this.#refused[reason]++;
  }

  /** A process has a connection. */
  connected(): void {
    this.#served++;
  }

  /** A connection has ended. */
  disconnected(_live: ConnectionInfo, { reason }: Outcome): void {
    this.#active--;
    this.#ended[reason]++;
  }

  /** No process could be had for a connection. */
  refused(): void {
    this.#active--;
    this.#refused["no-process"]++;
  }

  /** What has been counted so far. */
  snapshot(): TotalsSnapshot {
    return {
      accepted: this.#accepted,
      served: this.#served,
      active: this.#active,
      ended: { ...this.#ended },
      refused: { ...this.#refused },
    };
  }
}

function zeros<Name extends string>(
  names: readonly Name[],
): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<
    Name,
    number
  >;
}
