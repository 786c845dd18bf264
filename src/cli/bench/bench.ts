/**
 * `mpserv bench`: runs it, and says what was found.
 *
 * @module
 */
import type { Comparison } from "../../bench/compare.ts";
import { measure } from "../../bench/measure.ts";
import type { LoadOutcome } from "../../bench/outcome.ts";
import {
  loadProcesses,
  type LoadProgress,
  type Mode,
  type Plan,
} from "../../bench/plan.ts";
import { connect } from "../../client/conversation.ts";
import type { Address } from "../../posix/net/address.ts";
import { reasonOf } from "../../posix/reason.ts";
import { print, UserError } from "../terminal.ts";
import type { BenchOptions } from "./bench_options.ts";
import { comparisonText, outcomeText } from "./bench_text.ts";

const WIDTH = 30;
const ERASE_TO_END = "\x1b[K";
/** Milliseconds between two pictures: often enough to move, seldom enough to be read. */
const PAUSE = 100;

/** Shows on standard error how far something is, if that is a terminal. */
export class ProgressBar implements LoadProgress, Disposable {
  readonly #name: string;
  readonly #isShown = Deno.stderr.isTerminal();
  #lastTime = -Infinity;

  /** Makes one; nothing is shown yet. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Shows it. The line is written over in one piece and not erased before, so that it does not flicker.
   */
  show(fraction: number, text: string): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#lastTime < PAUSE) return;
    this.#lastTime = now;
    const full = Math.round(WIDTH * fraction);
    const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
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

/**
 * Runs the command.
 *
 * @throws {UserError} When a connection failed, or the server or the system refuses.
 */
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
      `${outcome.failed} times a connection failed: ${kinds.join(", ")}`,
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
      }: is there such a directory, and may you write to it?`,
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
