/**
 * The results of a measurement, run by run, and the table of them.
 *
 * @module
 */
import type { Costs, Machine } from "./machine.ts";
import type { Peer } from "./peers.ts";
import type { Figure, Row } from "./rows.ts";

/** One run of one peer. */
export interface Run {
  /** The figures of the row; none when it failed. */
  readonly values: readonly number[];
  /** The load of other programs just before, see `loadOfOthers`. */
  readonly others: number;
  /** Whether that was too much. */
  readonly busy: boolean;
  /** Why it failed. */
  readonly error?: string;
}

/** All runs of one peer in one row. */
export interface Line {
  /** Its id for `--peers`. */
  readonly id: string;
  /** Its name in the table. */
  readonly name: string;
  /** What the table says in the place of "failed". */
  readonly fails?: string;
  /** Round by round. */
  readonly runs: Run[];
}

/** A row and its runs. */
export interface Block {
  /** Its id for `--rows`. */
  readonly id: string;
  /** The measured figures. */
  readonly figures: readonly Figure[];
  /** The servers; all others are compared with the first. */
  readonly lines: readonly Line[];
}

/** A whole measurement. */
export interface Results {
  /** Where, when and with what. */
  readonly machine: Machine;
  /** Seconds of load in a run. */
  readonly seconds: number;
  /** Row by row. */
  readonly blocks: Block[];
}

/**
 * An empty block for a row.
 *
 * @param row What is to be measured.
 * @param taking The peers that take part, and what `--peers` takes for them.
 * @returns The block.
 */
export function openBlock(
  row: Row,
  taking: readonly (readonly [id: string, peer: Peer])[],
): Block {
  return {
    id: row.id,
    figures: row.figures,
    lines: taking.map(([id, { name, fails }]) => ({
      ...{ id, name, runs: [] },
      ...(fails ? { fails } : {}),
    })),
  };
}

/**
 * The table in Markdown: a line for each figure of each peer.
 *
 * @param results What was found.
 * @returns Lines of text.
 */
export function markdown({ machine, seconds, blocks }: Results): string {
  const versions = Object.entries(machine.versions).map(([name, version]) =>
    `${name} ${version}`
  ).join(", ");
  const head = [
    `Measured on ${machine.date} by \`deno task bench\`: ${machine.processor}, ` +
    `${machine.cores} cores, Linux ${machine.kernel}; ${versions}. Load of ` +
    `${seconds} s a run from the same machine, everyone in turn and started ` +
    "fresh each time; medians, with the lowest and the highest run. The last " +
    "column is our figure (the first line of each part) divided by theirs. " +
    "A ! marks runs before which other programs kept the machine busy.",
    "",
    ...(machine.costs ? [costLine(machine.costs), ""] : []),
    "| what | who | median | runs | ours : theirs |",
    "| --- | --- | --: | --- | --: |",
  ];
  const failures = blocks.flatMap(failuresOf);
  return [
    ...head,
    ...blocks.flatMap(rowsOf),
    ...(failures.length > 0 ? ["", ...failures] : []),
  ].join("\n") + "\n";
}

function costLine({ fork, execve }: Costs): string {
  return `What a process costs on this machine, of a small C program: \`fork\` and its end ${
    short(fork)
  } µs, with \`execve\` of \`/bin/true\` ${
    short(execve)
  } µs. Machines differ by ten in both; every server with a process a connection depends on them.`;
}

/** Why runs failed, each reason once. */
function failuresOf({ id, lines }: Block): string[] {
  return lines.flatMap(({ name, runs }) => {
    const why = new Set(runs.flatMap(({ error }) => error ?? []));
    return [...why].map((error) => `- ${id}, ${name}: ${error}`);
  });
}

function rowsOf({ figures, lines }: Block): string[] {
  return figures.flatMap(({ title }, figure) => {
    const ours = medianOf(lines[0], figure);
    return lines.map((line, i) => {
      const median = medianOf(line, figure);
      const ratio = i > 0 && ours !== null && median ? ours / median : null;
      return `| ${
        [
          i === 0 ? title : "",
          line.name,
          median === null ? line.fails ?? "failed" : short(median),
          spread(line, figure),
          ratio === null ? "" : short(ratio),
        ].join(" | ")
      } |`;
    });
  });
}

/** The lowest and the highest value, and a mark for each run that should be doubted. */
function spread({ runs }: Line, figure: number): string {
  const values = valuesOf(runs, figure);
  const marks = "!".repeat(runs.filter(({ busy }) => busy).length);
  const failed = runs.length - values.length;
  return [
    values.length > 1
      ? `${short(Math.min(...values))} – ${short(Math.max(...values))}`
      : "",
    marks,
    failed > 0 ? `${failed} of ${runs.length} failed` : "",
  ].filter((part) => part !== "").join(" ");
}

function valuesOf(runs: readonly Run[], figure: number): number[] {
  return runs.flatMap(({ values }) => values[figure] ?? []);
}

function medianOf(line: Line | undefined, figure: number): number | null {
  const values = valuesOf(line?.runs ?? [], figure).sort((a, b) => a - b);
  const middle = values.length >> 1;
  if (values.length === 0) return null;
  if (values.length % 2 === 1) return values[middle]!;
  return (values[middle - 1]! + values[middle]!) / 2;
}

/** Three digits, or all before the point. */
function short(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString("en")
    : String(Number(value.toPrecision(3)));
}
