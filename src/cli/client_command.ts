/**
 * `mpserv client`: what a person types, and what they are told.
 *
 * @module
 */
import type { ClientOptions } from "../client/client.ts";
import { command } from "./command.ts";
import {
  duration,
  durationOr,
  flag,
  named,
  option,
  or,
  serverOperands,
} from "./options.ts";
import { EXIT_PIPE, EXIT_USAGE, UserError } from "./terminal.ts";

const DEFAULT_PREFIX = "Message from server: ";

const NOTES = `
Examples:
  mpserv client                                talk to 127.0.0.1:9190; a line "q" or end of input ends
  mpserv client example.org 7 --no-prefix      lines as they come, from port 7 of example.org
  mpserv client --unix /tmp/echo.sock          over a Unix domain socket
  mpserv client --raw <in.bin >out.bin         copy bytes both ways, exactly
  mpserv client host 70 --no-shutdown          for a server that quits when the sending side ends
  mpserv client --lock-step <lines.txt         wait for each reply before the next line

Exit codes: 0 well, 1 the system or the server refused, 2 wrong usage, 141 nobody reads the output any more.`;

/** The command. */
export const client = command({
  name: "client",
  about:
    "Connect: one process reads what the server sends, another sends what you type,\nand neither waits for the other.",
  operands: serverOperands(),
  options: {
    unix: named(
      "<path>",
      "connect to a Unix domain socket instead",
      "--unix",
      "file",
    ),
    raw: flag("copy bytes both ways: no line ends the conversation, no prefix"),
    prefix: or(
      option("<text>", "print this before every line", (text) => text),
      DEFAULT_PREFIX,
      JSON.stringify(DEFAULT_PREFIX),
    ),
    noPrefix: flag("print lines as they come"),
    lockStep: flag(
      "one process, which waits for each reply before it sends the next line",
    ),
    connectTimeout: durationOr(
      "give up connecting after this long, such as 500ms; 0: never",
      10_000,
    ),
    idleTimeout: duration("end after this long without a byte in or out"),
    noShutdown: flag(
      "leave the sending side open at the end of input, for servers that quit when it ends",
    ),
  },
  notes: NOTES,
  begin({ options, operands: { host, port }, typed }) {
    const { unix, raw, lockStep, noShutdown } = options;
    const { connectTimeout, idleTimeout } = options;
    if (unix !== undefined && (typed.has("host") || typed.has("port"))) {
      throw wrongUsage("Cannot connect to both a host and --unix: give one");
    }
    // Of the two, the last one counts.
    const last = [...typed].findLast((it) => /^(noP|p)refix$/.test(it));
    if (raw && last === "prefix") {
      throw wrongUsage(
        "Cannot use --prefix with --raw, which copies bytes: give one",
      );
    }
    return async () =>
      await talk({
        target: unix === undefined
          ? { transport: "tcp", hostname: host, port }
          : { transport: "unix", path: unix },
        prefix: raw || last === "noPrefix" ? "" : options.prefix,
        raw,
        connectTimeout,
        idleTimeout,
        noShutdown,
      }, lockStep);
  },
});

/** Loads the one client that runs, and nothing of the other. */
async function talk(options: ClientOptions, lockStep: boolean): Promise<void> {
  try {
    if (lockStep) {
      const { runLockStep } = await import("../client/lock_step.ts");
      return await runLockStep(options);
    }
    return await (await import("../client/client.ts")).runClient(options);
  } catch (error) {
    const { OutputClosed } = await import("../client/output.ts");
    // As others end by SIGPIPE, which the runtime ignores: quietly.
    if (error instanceof OutputClosed) throw new UserError("", EXIT_PIPE);
    throw error;
  }
}

function wrongUsage(message: string): UserError {
  return new UserError(message, EXIT_USAGE);
}
