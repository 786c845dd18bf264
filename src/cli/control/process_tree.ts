/**
 * A server's processes in the order of a tree.
 *
 * @module
 */
import {
  PROCESS_STATES,
  type ProcessEntry,
  type ProcessState,
} from "../../model/process_entry.ts";

/** A process of the tree. */
export interface TreeRow {
  /** What it is. */
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

/**
 * Lays processes out below the one that they all come from.
 *
 * @param root The server's process id.
 * @param processes Its processes, whose parents are the server or one another.
 * @returns Rows in order: zygotes first, then those that serve, oldest connection first.
 */
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
