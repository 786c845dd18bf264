/**
 * `mpserv bench`: runs it and prints the result.
 *
 * What a benchmark found, as a person reads it in a terminal.
 *
 * @module
 */
import type { Comparison, Run } from "../../bench/compare.ts";
import { measure } from "../../bench/measure.ts";
import type { Held, LoadOutcome, ServerMemory } from "../../bench/outcome.ts";
import {
  loadProcesses,
  type LoadProgress,
  type Mode,
  type Plan,
} from "../../bench/plan.ts";
import { connect } from "../../client/conversation.ts";
import { type Address, formatAddress } from "../../posix/net/address.ts";
import { reasonOf } from "../../posix/reason.ts";
import { formatDuration } from "../options.ts";
import { print, UserError } from "../terminal.ts";
import type { BenchOptions } from "./bench_options.ts";

/** The busiest load process is named from this share of a processor on. */
const SUSPICIOUS = 0.9;

/** The result as a few lines. */
function outcomeText(outcome: LoadOutcome): string {
  const lines = [title(outcome), "", ...rows(outcome).map(row)];
  if ((outcome.busiest ?? 0) > SUSPICIOUS && outcome.plan.mode !== "hold") {
    lines.push(
      "",
      "A load process used a whole core and may be the bottleneck: try more --processes.",
    );
  }
  return lines.join("\n") + "\n";
}

function title({ plan }: LoadOutcome): string {
  const { mode, target, size, connections, processes, duration, rate } = plan;
  return [
    `${mode} ${formatAddress(target)}`,
    mode === "stream" ? null : `${grouped(size)} bytes`,
    `${grouped(connections)} ${
      connections === 1 ? "connection" : "connections"
    }`,
    `${processes} load ${processes === 1 ? "process" : "processes"}`,
    rate === null ? null : `${grouped(rate)} a second asked for`,
    mode === "hold" ? null : formatDuration(duration),
  ].filter((part) => part !== null).join(", ");
}

type Row = readonly [name: string, value: string];

function row([name, value]: Row): string {
  return `  ${name.padEnd(20)} ${value}`;
}

function rows(outcome: LoadOutcome): Row[] {
  const { plan, requests, requestsPerSecond, bytesPerSecond } = outcome;
  const failed: Row = ["failed", failures(outcome)];
  if (plan.mode === "stream") {
    return [["throughput", `${mega(bytesPerSecond)} MB/s each way`], failed];
  }
  if (outcome.held !== null) {
    return [...heldRows(outcome, outcome.held), failed];
  }
  const name = plan.mode === "connect" ? "connections" : "round trips";
  return [
    [name, `${grouped(requests)}, ${grouped(requestsPerSecond)} a second`],
    [
      plan.mode === "connect" ? "connect to echo" : "latency",
      latencies(outcome.latency),
    ],
    failed,
  ];
}

function heldRows({ latency }: LoadOutcome, held: Held): Row[] {
  const { connections, again, openTime, bytesPerConnection } = held;
  return [
    ["open at once", `${grouped(connections)} in ${seconds(openTime)}`],
    ["first round trip", latencies(latency)],
    ["second round trip", latencies(held.secondLatency)],
    ["served again", grouped(again)],
    ["server before", memory(held.before)],
    ["server with them", memory(held.during)],
    [
      "memory a connection",
      bytesPerConnection === null
        ? "unknown: the server runs on another machine or as another user"
        : `${
          grouped(bytesPerConnection / 1024)
        } KiB (PSS of the whole tree / connections)`,
    ],
  ];
}

function memory(memory: ServerMemory | null): string {
  if (memory === null) return "unknown";
  const { bytes, processes, pid } = memory;
  const count = processes === 1
    ? "1 process"
    : `${grouped(processes)} processes`;
  return `${mega(bytes)} MB in ${count} from ${pid}`;
}

function latencies(summary: LoadOutcome["latency"]): string {
  if (summary === null) return "none";
  const parts = (["p50", "p90", "p99", "p999", "max"] as const).map((name) =>
    `${name === "p999" ? "p99.9" : name} ${milliseconds(summary[name])}`
  );
  return parts.join("  ") + "  ms";
}

function failures({ failed, failures }: LoadOutcome): string {
  const kinds = Object.entries(failures).map(([kind, count]) =>
    `${grouped(count)} ${kind}`
  );
  return kinds.length === 0 ? "0" : `${grouped(failed)}: ${kinds.join(", ")}`;
}

/** Three digits that mean something. */
function milliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(2)} s`;
}

function mega(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Characters of the longest bar. */
const CHART_WIDTH = 50;
/** From nothing to a whole character, in eighths. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/** The result as a picture: a bar a client, as long as it took. */
function comparisonText(comparison: Comparison): string {
  const { plan, split, lockStep, ratio } = comparison;
  const { target, delay, bandwidth, lines } = plan;
  const link = [
    `${formatDuration(delay)} one way (${
      formatDuration(2 * delay)
    } a round trip)`,
    bandwidth === null ? null : `${number(bandwidth)} bytes a second`,
  ].filter((part) => part !== null).join(", ");
  const longest = Math.max(split.time, lockStep.time);
  return [
    `compare ${formatAddress(target)}, ${number(lines)} lines, link of ${link}`,
    "",
    ...[split, lockStep].flatMap((run) => picture(run, longest)),
    `  split moves ${number(ratio)} times as many lines a second as lock-step`,
    "",
  ].join("\n");
}

function picture(
  { client, time, linesPerSecond }: Run,
  longest: number,
): string[] {
  const eighths = Math.max(1, Math.round(8 * CHART_WIDTH * time / longest));
  const bar = EIGHTHS[8]!.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
  const took = `${number(time)} ms`.padStart(10);
  const speed = `${number(linesPerSecond)} lines/s`.padStart(16);
  return [`  ${client.padEnd(10)}${took}${speed}`, `  ${bar}`, ""];
}

/** Digits that mean something, in groups. */
function number(value: number): string {
  return value.toLocaleString("en-US", {
    maximumFractionDigits: value < 100 ? 1 : 0,
  });
}

const PROGRESS_WIDTH = 30;
const ERASE_TO_END = "\x1b[K";
/** Milliseconds between two pictures: often enough to move, seldom enough to be read. */
const PAUSE = 100;

/** Shows on standard error how far something is, if that is a terminal. */
class ProgressBar implements LoadProgress, Disposable {
  readonly #name: string;
  readonly #isShown = Deno.stderr.isTerminal();
  #lastTime = -Infinity;

  /** Makes one; nothing is shown yet. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Shows it. The line is written over in one piece and not erased before, so that it does not flicker. */
  show(fraction: number, text: string): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#lastTime < PAUSE) return;
    this.#lastTime = now;
    const full = Math.round(PROGRESS_WIDTH * fraction);
    const bar = "█".repeat(full) + "░".repeat(PROGRESS_WIDTH - full);
    const percent = `${Math.floor(100 * fraction)}`.padStart(3);
    const line = `${this.#name} ${bar} ${percent} % ${text}`;
    const columns = Deno.consoleSize().columns || 80; // some terminals do not know
    write("\r" + line.slice(0, columns - 1) + ERASE_TO_END);
  }

  /** Takes it away. */
  [Symbol.dispose](): void {
    if (this.#lastTime > 0) write("\r" + ERASE_TO_END);
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

const { lookup } = await import("node:dns/promises");

/** Requests that may be under way at once in an open loop: enough to hide a server's short pauses. */
const OPEN_LOOP_CONNECTIONS = 64;
const CONNECTIONS_PER_PROCESS = 4;
const SIZES: Readonly<Record<Mode, number>> = {
  connect: 6,
  ping: 64,
  stream: 0,
  hold: 6,
};

/** Runs the command. Throws `UserError` when a connection failed, or the server or the system refuses. */
export async function bench(options: BenchOptions): Promise<void> {
  const target = await resolve(options);
  await probe(target, options.timeout);
  if (options.report !== undefined) await checkWritable(options.report);
  const { what } = options;
  if (what === "compare") {
    const comparison = await runComparison(target, options);
    await writeReport(options, (report) => report.comparisonReport(comparison));
    return show(comparisonText(comparison), comparison, options);
  }
  const outcome = await run(what, planOf(what, target, options));
  await writeReport(options, (report) => report.outcomeReport(outcome));
  show(outcomeText(outcome), outcome, options);
  if (outcome.failed > 0) {
    const kinds = Object.entries(outcome.failures).map(([kind, count]) =>
      `${count} ${kind}`
    );
    throw new UserError(
      `${outcome.failed} connection${outcome.failed === 1 ? "" : "s"} failed: ${
        kinds.join(", ")
      }`,
    );
  }
}

async function run(what: Mode, plan: Plan): Promise<LoadOutcome> {
  using bar = new ProgressBar(what);
  return await measure(plan, bar);
}

async function runComparison(
  target: Address,
  { lines, delay, bandwidth, timeout }: BenchOptions,
): Promise<Comparison> {
  const { compare } = await import("../../bench/compare.ts");
  using bar = new ProgressBar("compare");
  return await compare(
    { target, lines, delay, bandwidth: bandwidth ?? null, timeout },
    bar,
  );
}

function planOf(mode: Mode, target: Address, options: BenchOptions): Plan {
  const { processes, duration, warmup, timeout, rate } = options;
  const usual = rate !== undefined
    ? OPEN_LOOP_CONNECTIONS
    : mode === "connect"
    ? CONNECTIONS_PER_PROCESS * processes
    : 1;
  const connections = options.hold ?? options.connections ?? usual;
  return {
    mode,
    target,
    connections,
    processes: loadProcesses(mode, processes, connections),
    size: options.size ?? SIZES[mode],
    duration,
    warmup,
    rate: rate ?? null,
    timeout,
  };
}

/** The server's address; names are looked up once, so that it is not the name server that is measured. */
async function resolve(options: BenchOptions): Promise<Address> {
  const { unix, host, port } = options;
  if (unix !== undefined) return { transport: "unix", path: unix };
  try {
    const { address } = await lookup(host);
    return { transport: "tcp", hostname: address, port };
  } catch {
    throw new UserError(
      `Cannot bench "${host}": no such host: check the host name`,
    );
  }
}

/** Whether anybody is there at all; says it as the client does. */
async function probe(target: Address, timeout: number): Promise<void> {
  using _ = await connect(target as Deno.NetAddr, timeout);
}

async function checkWritable(path: string): Promise<void> {
  try {
    using _ = await Deno.open(path, { write: true, create: true });
  } catch (error) {
    throw new UserError(
      `Cannot write the report "${path}": ${
        reasonOf(error)
      }: check that the directory exists and that you may write to it`,
    );
  }
}

async function writeReport(
  { report: path }: BenchOptions,
  render: (report: typeof import("../../bench/report.ts")) => string,
): Promise<void> {
  if (path === undefined) return;
  const html = render(await import("../../bench/report.ts"));
  await Deno.writeTextFile(path, html);
}

/** Text or JSON on standard output. */
function show(
  text: string,
  outcome: LoadOutcome | Comparison,
  { json }: BenchOptions,
): void {
  print(json ? JSON.stringify(outcome, null, 2) + "\n" : text);
}
