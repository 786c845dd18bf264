/**
 * The options of `mpserv bench`.
 *
 * @module
 */
import { type Mode, MODES } from "../../bench/plan.ts";
import {
  count,
  durationOr,
  everyday,
  flag,
  group,
  named,
  option,
  or,
  parseSize,
  serverOperands,
  type Values,
} from "../options.ts";
import { EXIT, UserError } from "../terminal.ts";
import { command } from "../command.ts";

const CORES = navigator.hardwareConcurrency;

const CONNECTIONS = "number of connections";

const OPERANDS = serverOperands();
const OPTIONS = {
  ...group("Kind of load (one is required)", {
    connect: everyday(flag("connect, echo, close: connections a second")),
    ping: everyday(flag("round trips on connections that stay open")),
    stream: everyday(flag("bytes as fast as possible, both ways at once")),
    hold: everyday(
      count("n open connections: memory per connection", CONNECTIONS, 1),
    ),
    compare: everyday(flag("split client and lock-step client on a slow link")),
  }),
  ...group("Load", {
    unix: named(
      "<path>",
      "connect to a Unix domain socket instead",
      "--unix",
      "file",
    ),
    size: everyday({
      ...option("<size>", "bytes per request", requestSize),
      shown: "6; --ping: 64",
    }),
    duration: everyday(durationOr("time to measure", 10_000)),
    warmup: durationOr("load before the measurement", 500),
    connections: everyday({
      ...count("connections at a time", CONNECTIONS, 1),
      shown: "1; --connect: 4 per process; --rate: 64",
    }),
    processes: or(
      count("processes that make the load", "number of processes", 1),
      CORES,
      "one per core",
    ),
    rate: everyday(count(
      "requests a second, even if the server is slower",
      "rate",
      1,
    )),
    timeout: durationOr("longest wait of a connection for any step", 10_000),
  }),
  ...group("Slow link of --compare", {
    delay: durationOr("travel time of a byte, one way", 20),
    bandwidth: option(
      "<size>",
      "bytes a second, such as 1MB",
      linkBandwidth,
    ),
    lines: or(count("lines that each client sends", "lines", 1), 1000),
  }),
  ...group("Result", {
    json: everyday(flag("print the result as JSON")),
    report: everyday(
      named("<file>", "write an HTML page with plots", "--report", "file"),
    ),
  }),
};

/** The checked command line. Durations are in milliseconds; undefined where the kind of load decides. */
export interface BenchOptions
  extends Values<typeof OPTIONS>, Values<typeof OPERANDS> {
  readonly what: Mode | "compare";
}

export const bench = command({
  name: "bench",
  about: "Measure an echo server: ours or any other.",
  operands: OPERANDS,
  options: OPTIONS,
  begin({ options, operands, typed }) {
    const what = kindOf((name) => typed.has(name));
    checkTogether(what, typed);
    const hasServer = typed.has("host") || typed.has("port");
    if (options.unix !== undefined && hasServer) {
      throw wrong("both a host and --unix: give one of them");
    }
    if (options.duration === 0) {
      throw wrong("--duration 0: give a time to measure");
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
    ? new UserError(
      `Cannot measure without a kind of load: give one of ${all}`,
      EXIT.usage,
    )
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
    throw wrong(`--${option} with --${what}: use it with ${wanted}`);
  }
}

function requestSize(text: string): number {
  const size = parseSize(text);
  if (1 <= size && size <= 64 * 2 ** 20) return size;
  throw new RangeError(`Cannot use size "${text}": expected 1 byte to 64MiB`);
}

function linkBandwidth(text: string): number {
  const bandwidth = parseSize(text);
  if (bandwidth >= 1) return bandwidth;
  throw new RangeError(
    `Cannot use bandwidth "${text}": expected at least 1 byte a second`,
  );
}

function wrong(what: string): UserError {
  return new UserError(`Cannot use ${what}`, EXIT.usage);
}
