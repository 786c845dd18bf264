/**
 * The options of `mpserv bench`.
 *
 * @module
 */
import { Command, Option } from "@commander-js/extra-typings";
import { type Mode, MODES } from "../bench/plan.ts";
import {
  count,
  duration,
  named,
  serverHost,
  serverPath,
  serverPort,
  valueOf,
} from "./arguments.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";
import { parseSize } from "./values.ts";

const CORES = navigator.hardwareConcurrency;

/** What was typed, checked. Durations are in milliseconds; undefined where the kind of load decides. */
export interface BenchOptions {
  /** The kind of load, or `compare`. */
  what: Mode | "compare";
  /** Address or name of the server. */
  host: string;
  /** Its TCP port. */
  port: number;
  /** The path of its Unix domain socket instead. */
  unix?: string | undefined;
  /** Connections to hold. */
  hold?: number | undefined;
  /** Bytes of a request. */
  size?: number | undefined;
  /** How long to measure. */
  duration: number;
  /** How long to make load before. */
  warmup: number;
  /** Connections at once. */
  connections?: number | undefined;
  /** Processes that make the load. */
  processes: number;
  /** Requests a second. */
  rate?: number | undefined;
  /** How long a connection may wait for anything. */
  timeout: number;
  /** `compare`: how long a byte travels, one way. */
  delay: number;
  /** `compare`: bytes a second of the link. */
  bandwidth?: number | undefined;
  /** `compare`: how many lines are sent. */
  lines: number;
  /** Whether the result is printed as JSON. */
  json?: true | undefined;
  /** Where the page goes. */
  report?: string | undefined;
}

const EXAMPLES = `
Examples:
  mpserv bench --connect                            connections a second of 127.0.0.1:9190
  mpserv bench example.org 7 --ping --size 1KiB     round trips of 1,024 bytes
  mpserv bench --ping --rate 5000 --connections 64  round trips that do not wait for each other
  mpserv bench --stream --report stream.html        bytes both ways at once, and a page with plots
  mpserv bench --hold 1000                          memory a connection of a server on this machine
  mpserv bench --compare --delay 20ms               split client against lock-step client

Values: durations (d) read 500ms, 30s, 5m; sizes 4096, 64KiB, 1MB.
Exit codes: 0 well, 1 a connection failed or the system refused, 2 wrong usage.`;

/**
 * The command, to be added to a program.
 *
 * @param bench Runs it and gives the exit code; is loaded only when it is called.
 * @returns The command.
 */
export function benchCommand(
  bench: (options: BenchOptions) => Promise<void>,
): Command<unknown[]> {
  const command = new Command("bench")
    .description("Measure an echo server: ours or any other.")
    .addArgument(serverHost())
    .addArgument(serverPort())
    .addOption(serverPath())
    .option("--connect", "connect, echo, close: connections a second")
    .option("--ping", "round trips on connections that stay")
    .option("--stream", "bytes as fast as they go, both ways at once")
    .option(
      "--hold <n>",
      "n connections open at once: memory a connection",
      count("number of connections", 1),
    )
    .option(
      "--compare",
      "split client against lock-step client, on a slow link",
    )
    .addOption(
      new Option("--size <size>", "bytes of a request (connect: 6, ping: 64)")
        .argParser(valueOf(requestSize)),
    )
    .addOption(
      duration("--duration <d>", "how long to measure").default(10_000, "10s"),
    )
    .addOption(
      duration("--warmup <d>", "load before, which is not measured")
        .default(500, "500ms"),
    )
    .option(
      "--connections <n>",
      "connections at once (connect: 4 a process, with --rate: 64, else 1)",
      count("number of connections", 1),
    )
    .option(
      "--processes <n>",
      "processes that make the load",
      count("number of processes", 1),
      CORES,
    )
    .option(
      "--rate <n>",
      "requests a second, whether the server keeps up or not",
      count("rate", 1),
    )
    .addOption(
      duration("--timeout <d>", "how long a connection may wait for anything")
        .default(10_000, "10s"),
    )
    .addOption(
      duration("--delay <d>", "compare: how long a byte travels, one way")
        .default(20, "20ms"),
    )
    .addOption(
      new Option("--bandwidth <size>", "compare: bytes a second, such as 1MB")
        .argParser(valueOf(linkBandwidth)),
    )
    .option("--lines <n>", "compare: how many lines", count("lines", 1), 1000)
    .option("--json", "print the result as JSON")
    .option(
      "--report <file>",
      "write a page with plots (HTML)",
      named("--report"),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (host, port, options, self) => {
      const typed = (name: string) =>
        (self as unknown as Command).getOptionValueSource(name) === "cli";
      const what = kindOf(typed);
      checkTogether(what, typed);
      if (options.unix !== undefined && self.args.length > 0) {
        throw wrong("both a host and --unix: give one of them");
      }
      if (options.duration === 0) {
        throw wrong("--duration 0: want some time to measure in");
      }
      await bench({ ...options, host, port, what });
    });
  return command as unknown as Command<unknown[]>;
}

function kindOf(typed: (option: string) => boolean): BenchOptions["what"] {
  const kinds = [...MODES, "compare" as const];
  const given = kinds.filter(typed);
  if (given.length === 1) return given[0]!;
  const all = kinds.map((kind) => `--${kind}`).join(", ");
  throw given.length === 0
    ? new UserError(`Cannot bench nothing: give one of ${all}`, EXIT_USAGE)
    : wrong(`--${given.join(" and --")} together: give one of them`);
}

/** Options that mean something to some kinds of load alone. */
const BELONGS: Readonly<Record<string, readonly BenchOptions["what"][]>> = {
  size: ["connect", "ping", "hold"],
  duration: ["connect", "ping", "stream"],
  warmup: ["connect", "ping", "stream"],
  connections: ["connect", "ping", "stream"],
  processes: ["connect", "ping", "stream", "hold"],
  rate: ["connect", "ping"],
  delay: ["compare"],
  bandwidth: ["compare"],
  lines: ["compare"],
};

function checkTogether(
  what: BenchOptions["what"],
  typed: (option: string) => boolean,
): void {
  for (const [option, kinds] of Object.entries(BELONGS)) {
    if (!typed(option) || kinds.includes(what)) continue;
    const wanted = kinds.map((kind) => `--${kind}`).join(", ");
    throw wrong(`--${option} with --${what}: it belongs to ${wanted}`);
  }
}

function requestSize(text: string): number {
  const size = parseSize(text);
  if (1 <= size && size <= 64 * 2 ** 20) return size;
  throw new RangeError(`Cannot use size "${text}": want 1 byte to 64MiB`);
}

function linkBandwidth(text: string): number {
  const bandwidth = parseSize(text);
  if (bandwidth >= 1) return bandwidth;
  throw new RangeError(
    `Cannot use bandwidth "${text}": want at least 1 byte a second`,
  );
}

function wrong(what: string): UserError {
  return new UserError(`Cannot use ${what}`, EXIT_USAGE);
}
