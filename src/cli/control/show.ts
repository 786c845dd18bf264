/**
 * Formats figures and tables.
 *
 * @module
 */
import fit from "fast-string-truncated-width";
import type { Status } from "../../control/protocol.ts";
import type { MovingConnection } from "../../control/ask.ts";
import {
  PROCESS_STATES,
  type ProcessEntry,
  type ProcessState,
  type RewindState,
  showRewinding,
} from "../../model/model.ts";
import { processStat, readProcFile, TICKS } from "../../posix/proc.ts";
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

interface Column {
  readonly title: string;
  /** Whether its values end at the same column, as numbers do. */
  readonly isNumber?: boolean;
  readonly least?: number;
  /** Where a line has too little room, columns with a number are left out, the lowest first. */
  readonly spare?: number;
}

/**
 * Lays out a table: columns two blanks apart, each as wide as its widest value. `room`: how wide a line may be, as
 * long as there are columns that can be left out.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room = Infinity,
): string[] {
  const lines = [columns.map(({ title }) => title), ...rows].map((line) =>
    line.map(visible)
  );
  const widths = columns.map(({ least = 0 }, i) =>
    lines.reduce((widest, line) => Math.max(widest, fit(line[i]!).width), least)
  );
  const all = widths.reduce((sum, width) => sum + 2 + width, -2);
  const spare = columns.map(({ spare = Infinity }) => spare);
  const first = Math.min(...spare);
  if (all > room && first < Infinity) {
    const isKept = (_: unknown, i: number) => spare[i] !== first;
    const rest = rows.map((row) => row.filter(isKept));
    return table(columns.filter(isKept), rest, room);
  }
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

/*
 * Makes the lines that `mpserv top` shows.
 *
 * What processes use of the machine, as /proc shows it (proc(5), Linux).
 */

/** The processor time and memory of one process. */
interface Usage {
  /** Its name as the system shows it. */
  readonly name: string;
  /** Share of one core since it was looked at last, in percent; null the first time. */
  readonly cpu: number | null;
  /** Memory of it that is in use, shared or not, in bytes. */
  readonly memory: number;
}

/** Looks at processes from time to time. */
export class UsageMeter {
  #before = new Map<number, { ticks: number; at: number }>();
  #seen = new Map<number, { ticks: number; at: number }>();

  /** Looks at a process. Returns what it uses; null when it has gone, or the system has no /proc. */
  look(pid: number): Usage | null {
    if (Deno.build.os !== "linux" || pid === 0) return null;
    try {
      const stat = processStat(pid);
      if (stat === null) return null;
      const status = readProcFile(`/proc/${pid}/status`);
      const kibibytes = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0);
      const cpu = this.#share(pid, stat.ticks);
      return { name: stat.name, cpu, memory: kibibytes * 1024 };
    } catch {
      return null;
    }
  }

  /** Forgets the processes that were not looked at since the previous call. */
  next(): void {
    this.#before = this.#seen;
    this.#seen = new Map();
  }

  #share(pid: number, ticks: number): number | null {
    const at = performance.now();
    const before = this.#before.get(pid);
    this.#seen.set(pid, { ticks, at });
    if (!before || ticks < before.ticks) return null;
    return 100 * (ticks - before.ticks) / TICKS / ((at - before.at) / 1000);
  }
}

/** A server at one moment. */
export interface TopSnapshot {
  readonly status: Status;
  readonly processes: readonly ProcessEntry[];
  readonly connections: readonly MovingConnection[];
  /** When that was, on the clock of `performance.now()`. */
  readonly at: number;
}

/** The visible part of the view. */
interface TopWindow {
  /** Rows that there are for processes; Infinity for all. */
  readonly rows: number;
  /** How many processes are above them. */
  readonly offset: number;
  /** How wide a line may be; without it, as wide as it gets. */
  readonly columns?: number;
}

/** Widths are kept while figures change, so that columns stay where they are. */
const COLUMNS: readonly Column[] = [
  { title: "PID", isNumber: true },
  { title: "PROCESS", least: 17 },
  { title: "STATE", least: 8 },
  { title: "CPU%", isNumber: true, least: 5, spare: 4 },
  { title: "MEM", isNumber: true, least: 4, spare: 3 },
  { title: "CONN", isNumber: true },
  { title: "PEER", least: 15 },
  { title: "AGE", isNumber: true, least: 5, spare: 2 },
  { title: "IDLE", isNumber: true, least: 5, spare: 1 },
  { title: "IN", isNumber: true, least: 4 },
  { title: "OUT", isNumber: true, least: 4 },
];

/** The lines above the processes. `before`: the same a moment ago, for rates; null the first time. */
export function summary(
  now: TopSnapshot,
  before: TopSnapshot | null,
): string[] {
  const { status } = now;
  const { totals, waiting, zygotes, children, rewinding } = status;
  const rate = before === null || before.status.pid !== status.pid
    ? null
    : 1000 * (totals.accepted - before.status.totals.accepted) /
      (now.at - before.at);
  const pace = rate === null ? "" : ` (${Math.round(rate)}/s)`;
  return [
    `mpserv ${status.address}  ${status.state}  model ${status.model}  pid ${status.pid}  up ${
      showAge(status.uptime)
    }`,
    `connections  active ${totals.active}  waiting ${waiting}  accepted ${totals.accepted}${pace}  served ${totals.served}`,
    `ended        ${showCounts(totals.ended)}`,
    `refused      ${showCounts(totals.refused)}`,
    `processes    ${showCounts({ zygotes, ...children })}`,
    ...rewindingLines(rewinding),
  ];
}

/** The processes and their connections, as a table. */
export function processLines(
  { status, processes, connections }: TopSnapshot,
  { rows, offset, columns }: TopWindow,
  look: (pid: number) => Usage | null,
): string[] {
  const byId = new Map(connections.map((row) => [row.id, row]));
  const server: TreeRow = {
    entry: {
      pid: status.pid,
      parent: 0,
      role: "zygote",
      state: "ready",
      connection: 0,
    },
    branches: "",
  };
  const all = [server, ...processTree(status.pid, processes)];
  const shown = all.slice(offset, offset + rows);
  const lines = shown.map((row) => {
    const { entry, branches } = row;
    const usage = look(entry.pid);
    const connection = byId.get(entry.connection);
    const name = row === server
      ? "mpserv"
      : entry.role === "zygote"
      ? "mpserv:zygote"
      : "mpserv:conn";
    return [
      entry.pid === 0 ? "-" : String(entry.pid),
      branches + (usage?.name ?? name),
      row === server ? status.state : entry.state,
      usage?.cpu == null ? "-" : usage.cpu.toFixed(1),
      showBytes(usage?.memory ?? null),
      ...connection === undefined ? Array(6).fill("") : [
        String(connection.id),
        connection.peer,
        showAge(connection.age),
        showAge(connection.idle),
        showBytes(connection.in),
        showBytes(connection.out),
      ],
    ];
  });
  return table(COLUMNS, lines, columns);
}

interface TreeRow {
  readonly entry: ProcessEntry;
  /** Branches that lead to it, such as `│  └─ `. */
  readonly branches: string;
}

/** Those that do something come first. */
const ORDER: readonly ProcessState[] = [
  "serving",
  "handed",
  "finished",
  "starting",
  "ready",
];
const RANK = Object.fromEntries(
  PROCESS_STATES.map((state) => [state, ORDER.indexOf(state)]),
) as Record<ProcessState, number>;

/** Lays processes out below the one that they all come from. */
export function processTree(
  root: number,
  processes: readonly ProcessEntry[],
): TreeRow[] {
  const children = Map.groupBy(processes, ({ parent }) => parent);
  const rows: TreeRow[] = [];
  const grow = (parent: number, stem: string) => {
    const entries = (children.get(parent) ?? []).toSorted(compare);
    entries.forEach((entry, i) => {
      const isLast = i === entries.length - 1;
      rows.push({ entry, branches: stem + (isLast ? "└─ " : "├─ ") });
      if (entry.role === "zygote") {
        grow(entry.pid, stem + (isLast ? "   " : "│  "));
      }
    });
  };
  grow(root, "");
  return rows;
}

function compare(a: ProcessEntry, b: ProcessEntry): number {
  if (a.role !== b.role) return a.role === "zygote" ? -1 : 1;
  return (a.role === "zygote" ? 0 : RANK[a.state] - RANK[b.state]) ||
    a.connection - b.connection || a.pid - b.pid;
}
