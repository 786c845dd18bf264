/**
 * Formats figures and tables.
 *
 * @module
 */
import fit from "fast-string-truncated-width";
import { type RewindState, showRewinding } from "../../model/model.ts";
import { visible } from "../terminal.ts";

/**
 * How long something has lasted, in four to six characters. `milliseconds`: how long; null when nobody knows. For
 * example `0.4s`, `12s`, `3m05s`, `2h07m`, `4d01h`; `-` for null.
 */
export function showAge(milliseconds: number | null): string {
  if (milliseconds === null) return "-";
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return `0.${Math.floor(milliseconds / 100)}s`;
  if (seconds < 60) return `${seconds}s`;
  const [minutes, hours] = [
    Math.floor(seconds / 60),
    Math.floor(seconds / 3600),
  ];
  if (hours < 1) return `${minutes}m${two(seconds % 60)}s`;
  if (hours < 24) return `${hours}h${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`;
}

/**
 * How many bytes, in five characters at most. `bytes`: how many; null when nobody knows. For example `6`, `1.5K`,
 * `64M`, in powers of 1024; `-` for null.
 */
export function showBytes(bytes: number | null): string {
  if (bytes === null) return "-";
  const units = ["", "K", "M", "G", "T", "P"];
  let value = bytes, unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return (unit > 0 && value < 10
    ? value.toFixed(1)
    : String(Math.round(value))) +
    units[unit];
}

/** The counts that are not zero. For example `closed 12, reset 1`; `none` when all are zero. */
export function showCounts(counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.map(([name, count]) => `${name} ${count}`).join(", ") || "none";
}

/**
 * How processes rewind their memory; no line where they do not serve one connection after another, or where an older
 * server does not say it.
 */
export function rewindingLines(state?: RewindState | null): string[] {
  if (!state) return [];
  const { rewound, replaced } = state;
  return [
    `rewinding    ${showRewinding(state)}  rewound ${rewound}  replaced ${
      showCounts(replaced)
    }`,
  ];
}

/**
 * A line that fits a terminal: no control character, and not wider than it, whatever the width of its
 * characters (East Asian ones take two columns, combining ones none).
 */
export function cut(line: string, width: number): string {
  const safe = visible(line);
  return safe.slice(0, fit(safe, { limit: width }).index);
}

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Whether its values end at the same column, as numbers do. */
  readonly isNumber?: boolean;
  /** Its width at least. */
  readonly least?: number;
}

/**
 * Lays out a table: columns two blanks apart, each as wide as its widest value.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const lines = [columns.map(({ title }) => title), ...rows].map((line) =>
    line.map(visible)
  );
  const widths = columns.map(({ least = 0 }, i) =>
    lines.reduce((widest, line) => Math.max(widest, fit(line[i]!).width), least)
  );
  return lines.map((line) =>
    line.map((value, i) => {
      const blanks = " ".repeat(widths[i]! - fit(value).width);
      return columns[i]!.isNumber ? blanks + value : value + blanks;
    }).join("  ").trimEnd()
  );
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}
