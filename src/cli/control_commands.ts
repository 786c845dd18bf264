/**
 * The commands that ask a running server; what they do is loaded when they are run.
 *
 * @module
 */
import { Argument, Command } from "@commander-js/extra-typings";
import { count, duration } from "./arguments.ts";

/** Looking more often than that shows a person nothing more, in milliseconds. */
const LEAST_INTERVAL = 100;

const SERVERS = `
Server: a port, the path of a control socket, or the path of a Unix domain socket that is served;
without it the one server that runs is meant.

Exit codes: 0 well, 1 the server or the system refused, 2 wrong usage.`;

/** Which server. */
const server = () =>
  new Argument("[server]", "which server; the one that runs without it");

/**
 * The commands, to be added to a program.
 *
 * @returns `status`, `connections`, `drop`, `drain`, `top`.
 */
export function controlCommands(): Command<unknown[]>[] {
  const status = new Command("status")
    .description("Say how a running server is: totals, refusals, processes.")
    .addArgument(server())
    .option("--json", "print one line of JSON")
    .action(async (target, options) =>
      (await import("./look.ts")).printStatus(target, options)
    );
  const connections = new Command("connections")
    .description("List whom a running server serves.")
    .addArgument(server())
    .option("--json", "print one line of JSON")
    .action(async (target, options) =>
      (await import("./look.ts")).printConnections(target, options)
    );
  const drop = new Command("drop")
    .description("End one connection of a running server.")
    .addArgument(
      new Argument("<id>", "which, as `connections` lists it")
        .argParser(count("connection", 1)),
    )
    .addArgument(server())
    .action(async (id, target) => (await import("./act.ts")).drop(id, target));
  const drain = new Command("drain")
    .description(
      "Let a running server end: it accepts no more and lets connections finish.",
    )
    .addArgument(server())
    .option("--wait", "until it has ended")
    .action(async (target, options) =>
      (await import("./act.ts")).drain(target, options)
    );
  const top = new Command("top")
    .description(
      "Show the processes and connections of a running server, live; q quits.",
    )
    .addArgument(server())
    .addOption(
      duration("--interval <d>", "how long between looks").default(1000, "1s"),
    )
    .action(async (target, { interval }) =>
      (await import("./top.ts")).top(target, Math.max(interval, LEAST_INTERVAL))
    );
  return [status, connections, drop, drain, top].map((command) =>
    command.addHelpText("after", SERVERS) as unknown as Command<unknown[]>
  );
}
