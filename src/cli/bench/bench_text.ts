/**
 * What a benchmark found, as a person reads it in a terminal.
 *
 * @module
 */
import type { Comparison, Run } from "../../bench/compare.ts";
import type {
  Held,
  LatencySummary,
  LoadOutcome,
  ServerMemory,
} from "../../bench/outcome.ts";
import { formatAddress } from "../../posix/net/address.ts";
import { formatDuration } from "../values.ts";

/** The busiest load process is named from this share of a processor on. */
const SUSPICIOUS = 0.9;

/** The result as a few lines. */
export function outcomeText(outcome: LoadOutcome): string {
  const lines = [title(outcome), "", ...rows(outcome).map(row)];
  if ((outcome.busiest ?? 0) > SUSPICIOUS && outcome.plan.mode !== "hold") {
    lines.push(
      "",
      "A load process was busy all the time: it may be what limited; try more --processes.",
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
        ? "unknown: the server is not of this machine, or may not be looked at"
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

function latencies(summary: LatencySummary | null): string {
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
const WIDTH = 50;
/** From nothing to a whole character, in eighths. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/** The result as a picture: a bar a client, as long as it took. */
export function comparisonText(comparison: Comparison): string {
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
  const eighths = Math.max(1, Math.round(8 * WIDTH * time / longest));
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
