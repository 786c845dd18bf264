/**
 * The options of `mpserv serve` that limit how long things may take.
 *
 * @module
 */
import { duration } from "./arguments.ts";

/** What was typed of them, in milliseconds; undefined for no limit. */
export interface TimeOptions {
  /** How long a connection may go on without a byte. */
  idleTimeout?: number | undefined;
  /** How long a client may take to send its first byte. */
  firstByteTimeout?: number | undefined;
  /** How long a connection may be served. */
  maxLifetime?: number | undefined;
  /** How long connections may go on after the server was told to end. */
  drainTimeout: number;
}

/** `--idle-timeout`. */
export const idleTimeoutOption = () =>
  duration(
    "--idle-timeout <d>",
    "end a connection when nothing moves for so long",
  );

/** `--first-byte-timeout`. */
export const firstByteTimeoutOption = () =>
  duration(
    "--first-byte-timeout <d>",
    "end a connection whose client sends nothing for so long at its start",
  );

/** `--max-lifetime`. */
export const maxLifetimeOption = () =>
  duration("--max-lifetime <d>", "end a connection after so long, busy or not");

/** `--drain-timeout`. */
export const drainTimeoutOption = () =>
  duration(
    "--drain-timeout <d>",
    "let connections finish for so long when told to end",
  ).default(30_000, "30s");
