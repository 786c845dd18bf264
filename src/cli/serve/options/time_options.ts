/**
 * The options of `mpserv serve` that limit how long things may take.
 *
 * @module
 */
import { duration, durationOr, group, type Values } from "../../options.ts";

/** The table. */
export const TIME = group("Limits of time", {
  idleTimeout: duration("end a connection after this long without a byte"),
  firstByteTimeout: duration(
    "end a connection if its client's first byte takes longer",
  ),
  maxLifetime: duration("end a connection after this long, busy or not"),
  drainTimeout: durationOr(
    "when told to end, let connections finish for this long",
    30_000,
  ),
});

/** What was typed of it, in milliseconds; undefined for no limit. */
export type TimeOptions = Values<typeof TIME>;
