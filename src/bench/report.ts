/**
 * Draws the result of a benchmark as a page with plots.
 *
 * @module
 */
import { formatAddress } from "../posix/net/address.ts";
import type { Comparison, Run } from "./compare.ts";
import type { Held, LoadOutcome } from "./outcome.ts";
import {
  type Figure,
  linearScale,
  logScale,
  percentileScale,
  readable,
  renderPage,
  type ReportPage,
  type Section,
} from "./page.ts";

/** The page of a benchmark. */
export function outcomeReport(outcome: LoadOutcome): string {
  const { plan, date } = outcome;
  const { mode, target, connections, processes, size, rate } = plan;
  const details = [
    mode === "stream" ? null : `${readable(size)} bytes`,
    `connections: ${readable(connections)}`,
    `load processes: ${processes}`,
    rate === null ? null : `asked for ${readable(rate)} a second`,
    machine(),
    minute(date),
  ];
  return page({
    title: `mpserv bench --${mode}: ${formatAddress(target)}`,
    details,
    figures: figures(outcome),
    sections: [
      ...latencySection(outcome),
      ...throughputSection(outcome),
      ...outcome.held === null ? [] : [heldSection(outcome.held)],
      failureSection(outcome),
    ],
  });
}

/** The page of a comparison of clients. */
export function comparisonReport(comparison: Comparison): string {
  const { plan, date, split, lockStep, ratio } = comparison;
  const { target, delay, bandwidth, lines } = plan;
  const runs = [split, lockStep];
  const least = Math.min(...runs.map(({ course }) => course[1]!.at));
  const most = Math.max(...runs.map(({ time }) => time));
  return page({
    title: `mpserv bench --compare: ${formatAddress(target)}`,
    details: [
      `${readable(lines)} lines`,
      `delay ${readable(delay)} ms one way`,
      bandwidth === null ? null : `${readable(bandwidth)} bytes a second`,
      machine(),
      minute(date),
    ],
    figures: [
      {
        name: "lines a second, split to lock-step",
        value: `${readable(ratio)} ×`,
      },
      ...runs.map(({ client, time }) => ({
        name: `${client}: all lines back`,
        value: `${readable(time)} ms`,
      })),
    ],
    sections: [{
      heading: "Lines that have come back, over time",
      plot: {
        description: `Lines over time: split ${readable(split.time)} ms, ` +
          `lock-step ${readable(lockStep.time)} ms`,
        x: {
          scale: logScale(least, most),
          label: "milliseconds (each step: ten times as long)",
        },
        y: { scale: linearScale(lines), label: "lines" },
        series: runs.map(courseOf),
        stepped: true,
      },
      table: [
        ["client", "milliseconds", "lines a second"],
        ...runs.map((
          run,
        ) => [run.client, readable(run.time), readable(run.linesPerSecond)]),
      ],
    }],
  });
}

function courseOf(
  { client, course }: Run,
): { name: string; points: { x: number; y: number; title: string }[] } {
  const points = course.slice(1).map(({ at, lines }) => ({
    x: at,
    y: lines,
    title: `${client}: ${readable(lines)} lines after ${readable(at)} ms`,
  }));
  return {
    name: client,
    points: [{ x: points[0]!.x, y: 0, title: client }, ...points],
  };
}

function page(
  page: Omit<ReportPage, "details"> & { details: readonly (string | null)[] },
): string {
  const details = page.details.filter((part) => part !== null).join(" · ");
  return renderPage({ ...page, details });
}

function figures(outcome: LoadOutcome): Figure[] {
  const { plan, latency, held, failed } = outcome;
  const last = { name: "failed", value: readable(failed) };
  if (plan.mode === "stream") {
    return [
      { name: "each way", value: `${mega(outcome.bytesPerSecond)} MB/s` },
      last,
    ];
  }
  if (held !== null) {
    const { connections, bytesPerConnection: bytes } = held;
    const memory = bytes === null ? "unknown" : `${readable(bytes / 1024)} KiB`;
    return [
      { name: "connections at once", value: readable(connections) },
      { name: "memory a connection", value: memory },
      last,
    ];
  }
  const what = plan.mode === "connect" ? "connections" : "round trips";
  return [
    { name: `${what} a second`, value: readable(outcome.requestsPerSecond) },
    { name: "latency p50", value: `${readable(latency?.p50 ?? 0)} ms` },
    { name: "latency p99", value: `${readable(latency?.p99 ?? 0)} ms` },
    last,
  ];
}

function latencySection(
  { latency, distribution, plan }: LoadOutcome,
): Section[] {
  if (latency === null) return [];
  const below = distribution.filter(({ percent }) => percent < 100);
  const values = distribution.map(({ latency }) => latency);
  const [least, most] = [Math.max(values[0]!, 1e-4), values.at(-1)!];
  return [{
    heading: plan.mode === "connect"
      ? "Latency from connect to echo, by percentile"
      : "Latency, by percentile",
    plot: {
      description: `Latency by percentile: p50 ${readable(latency.p50)} ms, ` +
        `p99 ${readable(latency.p99)} ms, slowest ${readable(latency.max)} ms`,
      x: {
        scale: percentileScale(below.at(-1)?.percent ?? 0),
        label: "percentile",
      },
      y: {
        scale: logScale(least, most),
        label: "milliseconds (each step: ten times as long)",
      },
      series: [{
        name: "latency",
        points: below.map(({ percent, latency }) => ({
          x: percent,
          y: Math.max(latency, least),
          title: `${Number(percent.toPrecision(6))} %: ${readable(latency)} ms`,
        })),
      }],
    },
    table: [
      ["", "count", "min", "mean", "p50", "p90", "p99", "p99.9", "max"],
      [
        "milliseconds",
        readable(latency.count),
        ...[latency.min, latency.mean, latency.p50, latency.p90].map(readable),
        ...[latency.p99, latency.p999, latency.max].map(readable),
      ],
    ],
  }];
}

function throughputSection(
  { timeline, interval, plan, ...sums }: LoadOutcome,
): Section[] {
  const isStream = plan.mode === "stream";
  const perSecond = timeline.map(({ at, bytes, requests }) => ({
    at: (at + interval / 2) / 1000,
    value: 1000 / interval * (isStream ? bytes / 1e6 : requests),
  })).filter(({ at }) => at <= plan.duration / 1000);
  if (perSecond.length === 0) return [];
  const values = perSecond.map(({ value }) => value);
  const unit = isStream ? "MB/s each way" : "a second";
  const mean = isStream ? sums.bytesPerSecond / 1e6 : sums.requestsPerSecond;
  return [{
    heading: isStream ? "Throughput over time" : "Answers over time",
    plot: {
      description: `Throughput over time: ${readable(mean)} ${unit} on average`,
      x: { scale: linearScale(plan.duration / 1000), label: "seconds" },
      y: { scale: linearScale(Math.max(...values)), label: unit },
      series: [{
        name: unit,
        points: perSecond.map(({ at, value }) => ({
          x: at,
          y: value,
          title: `${readable(at)} s: ${readable(value)} ${unit}`,
        })),
      }],
      filled: true,
    },
    table: [
      ["", "slowest", "mean", "fastest"],
      [
        unit,
        readable(Math.min(...values)),
        readable(mean),
        readable(Math.max(...values)),
      ],
    ],
  }];
}

function heldSection(held: Held): Section {
  const { before, during, secondLatency, again, openTime } = held;
  const row = (name: string, value: string) => [name, value];
  return {
    heading: "Connections that were held",
    table: [
      ["", "value"],
      row("opened in", `${readable(openTime)} ms`),
      row("served again", readable(again)),
      row("second round trip p50", `${readable(secondLatency?.p50 ?? 0)} ms`),
      row("server before", before === null ? "unknown" : memory(before)),
      row("server with them", during === null ? "unknown" : memory(during)),
    ],
  };
}

function memory(
  { bytes, processes }: { bytes: number; processes: number },
): string {
  return `${mega(bytes)} MB in ${readable(processes)} processes`;
}

function failureSection({ failures }: LoadOutcome): Section {
  const rows = Object.entries(failures).map((
    [kind, count],
  ) => [kind, readable(count)]);
  return {
    heading: "Failures",
    table: [
      ["kind", "how often"],
      ...rows.length === 0 ? [["nothing", "0"]] : rows,
    ],
  };
}

function mega(bytes: number): string {
  return readable(bytes / 1e6);
}

function machine(): string {
  return `Deno ${Deno.version.deno}, ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`;
}

/** An ISO date to the minute. */
function minute(date: string): string {
  return `${date.slice(0, 16).replace("T", " ")} UTC`;
}
