/**
 * Why connections are refused.
 *
 * @module
 */

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
