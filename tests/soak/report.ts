/**
 * What came of a soak, as text and as a page with plots.
 *
 * @module
 */
import {
  linearScale,
  type Plot,
  readable,
  renderPage,
  type ReportPage,
  type Section,
} from "../../src/bench/page.ts";
import type { SoakResult, StageResult } from "./soak.ts";
import type { Sample } from "./trend.ts";

type Table = readonly (readonly string[])[];

/** The text that a run ends with. */
export function soakText(result: SoakResult): string {
  const { problems } = result;
  return [
    `${details(result)}\n`,
    aligned(connections(result)),
    aligned(resources(result)),
    aligned(faults(result)),
    problems.length === 0
      ? "Nothing lost, nothing leaked, no zombie."
      : `FAILED:\n${problems.map((what) => `  ${what}`).join("\n")}`,
  ].join("\n") + "\n";
}

/** The same with plots: HTML that needs nothing else. */
export function soakPage(result: SoakResult): string {
  const { stages, problems, pace } = result;
  const page: ReportPage = {
    title: "mpserv soak",
    details: details(result),
    figures: [
      { name: "connections", value: count(total(stages, "ended")) },
      { name: "bytes checked", value: bytes(total(stages, "received")) },
      { name: "faults", value: count(faultCount(result)) },
      { name: "problems", value: count(problems.length) },
    ],
    sections: [
      {
        heading: "Problems",
        table: [["what"], ...problems.map((what) => [what])],
      },
      {
        heading: "Connections a second",
        plot: plot("a second", [{ name: "connections", samples: pace }]),
        table: connections(result),
      },
      { heading: "Faults", table: faults(result) },
      { heading: "Descriptors and memory", table: resources(result) },
      ...stages.flatMap(courseSections),
    ],
  };
  return renderPage(page);
}

function courseSections({ stage, course }: StageResult): Section[] {
  const inMegabytes = (samples: readonly Sample[]) =>
    samples.map(({ at, value }) => ({ at, value: value / 1e6 }));
  return [
    {
      heading: `${stage.name}: memory`,
      plot: plot("MB, each process's own", [
        { name: "parent", samples: inMegabytes(course.memory) },
        { name: "oldest zygote", samples: inMegabytes(course.zygote) },
      ]),
      table: [],
    },
    {
      heading: `${stage.name}: processes, and descriptors of the parent`,
      plot: plot("count", [
        { name: "processes", samples: course.processes },
        { name: "descriptors", samples: course.descriptors },
      ]),
      table: [],
    },
  ];
}

function plot(
  unit: string,
  lines: readonly { name: string; samples: readonly Sample[] }[],
): Plot {
  const drawn = lines.filter(({ samples }) => samples.length > 0);
  const all = drawn.flatMap(({ samples }) => samples);
  const most = (of: (sample: Sample) => number) => Math.max(0, ...all.map(of));
  return {
    description: drawn.map(({ name }) => name).join(", ") + " over time",
    x: { scale: linearScale(most(({ at }) => at)), label: "seconds" },
    y: { scale: linearScale(most(({ value }) => value)), label: unit },
    series: drawn.map(({ name, samples }) => ({
      name,
      points: samples.map(({ at, value }) => ({
        x: at,
        y: value,
        title: `${Math.round(at)} s: ${readable(value)} ${unit}`,
      })),
    })),
  };
}

function details({ options }: SoakResult): string {
  const { seconds, rate, faults, seed } = options;
  return [
    `${readable(seconds / 60)} minutes`,
    `${readable(rate)} connections and ${readable(faults)} faults a second`,
    `seed ${seed}`,
    `Deno ${Deno.version.deno}`,
    `${Deno.build.target}, ${navigator.hardwareConcurrency} cores`,
    new Date().toISOString().slice(0, 16) + "Z",
  ].join(" · ");
}

function connections({ stages }: SoakResult): Table {
  const rows = stages.map(({ stage, ledger }) => [
    stage.name,
    count(ledger.ended),
    bytes(ledger.received),
    count(ledger.killed),
    count(ledger.removed),
  ]);
  const sums = [
    "all",
    count(total(stages, "ended")),
    bytes(total(stages, "received")),
    count(total(stages, "killed")),
    count(total(stages, "removed")),
  ];
  return [
    ["server", "connections", "checked", "cut by a kill", "reaped"],
    ...rows,
    sums,
  ];
}

function resources({ stages }: SoakResult): Table {
  const rows = stages.map(({ stage, course, grown }) => {
    const rests = course.atRest.map(({ value }) => value);
    const megabytes = (value: number) => (value / 1e6).toFixed(1);
    return [
      stage.name,
      `${rests[0]} → ${rests.at(-1)}`,
      String(Math.max(...course.processes.map(({ value }) => value))),
      megabytes(course.memory.at(-1)?.value ?? 0),
      megabytes(grown.parent),
      megabytes(course.zygote.at(-1)?.value ?? 0),
      megabytes(grown.zygote),
    ];
  });
  return [
    [
      "server",
      "descriptors at rest",
      "most processes",
      "parent MB",
      "grew",
      "zygote MB",
      "grew",
    ],
    ...rows,
  ];
}

function faults({ faults }: SoakResult): Table {
  return [
    ["fault", "how often"],
    ...[...faults].map(([kind, times]) => [kind, count(times)]),
  ];
}

function faultCount({ faults }: SoakResult): number {
  return [...faults.values()].reduce((sum, times) => sum + times, 0);
}

function total(
  stages: readonly StageResult[],
  what: "ended" | "received" | "killed" | "removed",
): number {
  return stages.reduce((sum, { ledger }) => sum + ledger[what], 0);
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function bytes(value: number): string {
  return `${(value / 1e6).toFixed(1)} MB`;
}

function aligned(table: Table): string {
  const widths = table[0]!.map((_, i) =>
    Math.max(...table.map((row) => row[i]!.length))
  );
  return table.map((row) =>
    "  " +
    row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    ).join("  ")
  ).join("\n") + "\n";
}
