/**
 * `mpserv client`: what a person types, and what they are told.
 *
 * @module
 */
import { Command } from "@commander-js/extra-typings";
import type { ClientOptions } from "../client/client.ts";
import { duration, serverHost, serverPath, serverPort } from "./arguments.ts";
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

/**
 * The command, to be added to a program.
 *
 * @param setExitCode Gets the exit code when the conversation has ended well; otherwise the command throws.
 * @param name Its name: `mpclient` where it is a program of its own.
 * @returns The command.
 */
export function clientCommand(
  setExitCode: (code: number) => void,
  name: "client" | "mpclient" = "client",
): Command<unknown[]> {
  const command = new Command(name)
    .description(
      "Connect: one process reads what the server sends, another sends what you type,\n" +
        "and neither waits for the other.",
    )
    .addArgument(serverHost())
    .addArgument(serverPort())
    .addOption(serverPath())
    .option(
      "--raw",
      "copy bytes both ways: no line ends the conversation, no prefix",
    )
    .option("--prefix <text>", "print this before every line", DEFAULT_PREFIX)
    .option("--no-prefix", "print lines as they come")
    .option(
      "--lock-step",
      "one process, which waits for each reply before it sends the next line",
    )
    .addOption(
      duration(
        "--connect-timeout <d>",
        "give up connecting after so long, such as 500ms; 0: never",
      ).default(10_000, "10s"),
    )
    .addOption(
      duration(
        "--idle-timeout <d>",
        "end when nothing came or went for so long",
      ),
    )
    .option(
      "--no-shutdown",
      "the end of input leaves the sending side open, for servers that quit when it ends",
    )
    .addHelpText(
      "after",
      name === "client" ? NOTES : NOTES.replaceAll("mpserv client", name),
    )
    .action(async (host, port, options, self) => {
      if (options.unix !== undefined && self.args.length > 0) {
        throw wrongUsage("Cannot connect to both a host and --unix: give one");
      }
      const prefixed = self.getOptionValueSource("prefix") === "cli" &&
        options.prefix !== false;
      if (options.raw && prefixed) {
        throw wrongUsage(
          "Cannot use --prefix with --raw, which copies bytes: give one",
        );
      }
      await talk({
        target: options.unix === undefined
          ? { transport: "tcp", hostname: host, port }
          : { transport: "unix", path: options.unix },
        prefix: options.raw || options.prefix === false
          ? ""
          : options.prefix as string,
        raw: options.raw ?? false,
        connectTimeout: options.connectTimeout,
        idleTimeout: options.idleTimeout,
        noShutdown: !options.shutdown,
      }, options.lockStep ?? false);
      setExitCode(0);
    });
  return command as unknown as Command<unknown[]>;
}

/** Loads the one client that runs, and nothing of the other. */
async function talk(options: ClientOptions, lockStep: boolean): Promise<void> {
  try {
    if (lockStep) {
      return await (await import("../client/lock_step.ts")).runLockStep(
        options,
      );
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
