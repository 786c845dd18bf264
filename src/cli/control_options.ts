/**
 * The options of `mpserv serve` that are about its control socket.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { named } from "./arguments.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";

/** What was typed of them. */
export interface ControlOptions {
  /** Path of the control socket, or `none`; undefined for the default place. */
  control?: string | undefined;
  /** Whether to take over from the server that runs. */
  takeOver?: true | undefined;
  /** The port, if it was typed. */
  typedPort?: number | undefined;
  /** The host, if it was typed. */
  typedHost?: string | undefined;
}

/** `--control`. */
export const controlOption = () =>
  new Option(
    "--control <path|none>",
    "socket for status, connections, top, drop, drain (default: PORT.sock in a directory of yours)",
  ).argParser(named("--control"));

/** `--take-over`. */
export const takeOverOption = () =>
  new Option(
    "--take-over",
    "take the listening socket over from the server that runs; it lets its connections finish",
  );

/**
 * Checks `--take-over` against the other options.
 *
 * @param options What was typed.
 * @throws {UserError} When they contradict each other.
 */
export function checkTakeOver(
  options: ControlOptions & { readonly port: number; readonly unix?: unknown },
): void {
  if (!options.takeOver) return;
  if (options.control === "none") {
    throw new UserError(
      "Cannot use both --take-over and --control none: the running server is asked over its control socket",
      EXIT_USAGE,
    );
  }
  if (options.port === 0 && options.unix === undefined) {
    throw new UserError(
      "Cannot use --take-over with port 0: give the running server's port",
      EXIT_USAGE,
    );
  }
}
