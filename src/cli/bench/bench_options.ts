/**
 * The options of `mpserv bench`.
 *
 * @module
 */
import { type Mode, MODES } from "../../bench/plan.ts";
import { command } from "../command.ts";
import {
  count,
  durationOr,
  flag,
  named,
  option,
  or,
  serverOperands,
  type Values,
} from "../options.ts";
import { EXIT_USAGE, UserError } from "../terminal.ts";
import { parseSize } from "../values.ts";

const CORES = navigator.hardwareConcurrency;

const CONNECTIONS = "number of connections";

const OPERANDS = serverOperands();
const OPTIONS = {
  unix: named(
    "<path>",
    "connect to a Unix domain socket instead",
    "--unix",
    "file",
  ),
  connect: flag("connect, echo, close: connections a second"),
  ping: flag("round trips on connections that stay"),
  stream: flag("bytes as fast as they go, both ways at once"),
  hold: count(
    "n connections open at once: memory a connection",
    CONNECTIONS,
    1,
  ),
  compare: flag("split client against lock-step client, on a slow link"),
  size: option(
    "<size>",
    "bytes of a request (connect: 6, ping: 64)",
    requestSize,
  ),
  duration: durationOr("how long to measure", 10_000),
  warmup: durationOr("load before, which is not measured", 500),
  connections: count(
    "connections at once (connect: 4 a process, with --rate: 64, else 1)",
    CONNECTIONS,
    1,
  ),
  processes: or(
    count("processes that make the load", "number of processes", 1),
    CORES,
  ),
  rate: count(
    "requests a second, whether the server keeps up or not",
    "rate",
    1,
  ),
  timeout: durationOr("how long a connection may wait for anything", 10_000),
  delay: durationOr("compare: how long a byte travels, one way", 20),
  bandwidth: option(
    "<size>",
    "compare: bytes a second, such as 1MB",
    linkBandwidth,
  ),
  lines: or(count("compare: how many lines", "lines", 1), 1000),
  json: flag("print the result as JSON"),
  report: named("<file>", "write a page with plots (HTML)", "--report", "file"),
};

/** What was typed, checked. Durations are in milliseconds; undefined where the kind of load decides. */
export interface BenchOptions
  extends Values<typeof OPTIONS>, Values<typeof OPERANDS> {
  /** The kind of load. */
  readonly what: Mode | "compare";
}

const NOTES = `
Examples:
  mpserv bench --connect                            connections a second of 127.0.0.1:9190
  mpserv bench example.org 7 --ping --size 1KiB     round trips of 1,024 bytes
  mpserv bench --ping --rate 5000 --connections 64  round trips that do not wait for each other
  mpserv bench --stream --report stream.html        bytes both ways at once, and a page with plots
  mpserv bench --hold 1000                          memory a connection of a server on this machine
  mpserv bench --compare --delay 20ms               split client against lock-step client

Values: durations (d) read 500ms, 30s, 5m; sizes 4096, 64KiB, 1MB.
Exit codes: 0 well, 1 a connection failed or the system refused, 2 wrong usage.`;

/** The command. */
export const bench = command({
  name: "bench",
  about: "Measure an echo server: ours or any other.",
  operands: OPERANDS,
  options: OPTIONS,
  notes: NOTES,
  begin({ options, operands, typed }) {
    const what = kindOf((name) => typed.has(name));
    checkTogether(what, typed);
    const hasServer = typed.has("host") || typed.has("port");
    if (options.unix !== undefined && hasServer) {
      throw wrong("both a host and --unix: give one of them");
    }
    if (options.duration === 0) {
      throw wrong("--duration 0: want some time to measure in");
    }
    return async () =>
      await (await import("./bench.ts")).bench({
        ...options,
        ...operands,
        what,
      });
  },
});

function kindOf(
  typed: (name: BenchOptions["what"]) => boolean,
): BenchOptions["what"] {
  const kinds = [...MODES, "compare"] as const;
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
  typed: ReadonlySet<string>,
): void {
  for (const [option, kinds] of Object.entries(BELONGS)) {
    if (!typed.has(option) || kinds.includes(what)) continue;
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
