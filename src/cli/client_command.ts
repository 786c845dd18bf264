/**
 * The command `mpserv client`: its options and its messages.
 *
 * @module
 */
import type { ClientOptions } from "../client/conversation.ts";
import {
  duration,
  durationOr,
  flag,
  named,
  option,
  or,
  serverOperands,
} from "./options.ts";
import { EXIT, UserError } from "./terminal.ts";
import { command } from "./command.ts";
import { load } from "./programs.ts";

const DEFAULT_PREFIX = "Message from server: ";

export const client = command({
  name: "client",
  about: "Connect to a server: one process receives, another one sends.",
  operands: serverOperands(),
  options: {
    unix: named(
      "<path>",
      "connect to a Unix domain socket instead",
      "--unix",
      "file",
    ),
    raw: flag("copy bytes both ways: no prefix, no line q"),
    prefix: or(
      option("<text>", "text before every line", (text) => text),
      DEFAULT_PREFIX,
      JSON.stringify(DEFAULT_PREFIX),
    ),
    noPrefix: flag("print lines without a prefix"),
    lockStep: flag("use one process, which waits for each reply"),
    connectTimeout: durationOr("time to connect; 0: no limit", 10_000),
    idleTimeout: duration("exit after this long without a byte"),
    noShutdown: flag("keep the sending side open at the end of input"),
  },
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
        "Cannot use both --prefix and --raw: give one of them",
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
      const { runLockStep } = await load<
        typeof import("../client/lock_step.ts")
      >("../client/lock_step.ts");
      return await runLockStep(options);
    }
    const { runClient } = await load<typeof import("../client/client.ts")>(
      "../client/client.ts",
    );
    return await runClient(options);
  } catch (error) {
    const { OutputClosed } = await load<typeof import("../client/output.ts")>(
      "../client/output.ts",
    );
    // As others end by SIGPIPE, which the runtime ignores: quietly.
    if (error instanceof OutputClosed) throw new UserError("", EXIT.pipe);
    throw error;
  }
}

function wrongUsage(message: string): UserError {
  return new UserError(message, EXIT.usage);
}
