/**
 * The options of `mpserv serve` for who operates it: its control socket, its successor and its log.
 *
 * @module
 */
import {
  choice,
  everyday,
  flag,
  group,
  named,
  or,
  type Values,
} from "../../options.ts";
import { EXIT_USAGE, UserError } from "../../terminal.ts";

/** The levels that can be asked for. */
const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** One of them. */
export type LogChoice = typeof LOG_LEVELS[number];
/** How a line can look. */
const LOG_FORMATS = ["text", "json"] as const;
/** One of them. */
export type LogFormat = typeof LOG_FORMATS[number];

/** The table of what the server does while it runs. */
export const OPERATION = group("Operation", {
  control: {
    ...named(
      "<path|none>",
      "path of the control socket",
      "--control",
      "file",
    ),
    shown: "PORT.sock in the runtime directory",
  },
  takeOver: everyday(
    flag("replace the running server, which then drains"),
  ),
});

/** The table of the log. */
export const LOGS = group("Logs", {
  logLevel: or(
    choice("<level>", "lowest level to log", LOG_LEVELS),
    "info",
  ),
  logFormat: everyday(
    or(choice("<format>", "format of log lines", LOG_FORMATS), "text"),
  ),
});

/** What was typed of the first. */
export type OperationOptions = Values<typeof OPERATION>;

/**
 * Checks `--take-over` against the other options.
 *
 * @throws {UserError} When they contradict each other.
 */
export function checkTakeOver(
  { takeOver, control, unix, port }: OperationOptions & {
    readonly port: number;
    readonly unix: string | undefined;
  },
): void {
  if (!takeOver) return;
  if (control === "none") {
    throw new UserError(
      "Cannot use both --take-over and --control none: the running server is asked over its control socket",
      EXIT_USAGE,
    );
  }
  if (port === 0 && unix === undefined) {
    throw new UserError(
      "Cannot use --take-over with port 0: give the running server's port",
      EXIT_USAGE,
    );
  }
}
