/**
 * The memory of a server of this machine: of the process that listens and of all that it started.
 *
 * @module
 */
import type { Address } from "../posix/net/address.ts";
import {
  descriptorTarget,
  listProcDirectory,
  readProcFile,
} from "../posix/proc.ts";
import type { ServerMemory } from "./outcome.ts";

const LISTENING = "0A"; // TCP_LISTEN, include/net/tcp_states.h
const ACCEPTS = 0x10000; // __SO_ACCEPTCON in /proc/net/unix
/** Processes after which something else may happen. */
const BATCH = 50;

/**
 * Finds the process that listens.
 *
 * @returns The one that no other listener is the parent of; null when there is none that we may see.
 */
export function findServer(address: Address): number | null {
  if (Deno.build.os !== "linux") return null;
  const sockets = new Set(
    listeningSockets(address).map((inode) => `socket:[${inode}]`),
  );
  const parents = parentTable();
  const listeners = [...parents.keys()].filter((pid) =>
    pid !== 1 && descriptorsOf(pid).some((target) => sockets.has(target))
  );
  const first = listeners.find((pid) => !listeners.includes(parents.get(pid)!));
  return first ?? null;
}

/** Adds up the memory of a process and of all its descendants. */
export async function serverMemory(
  pid: number,
  watch: (looked: number, all: number) => void = () => {},
): Promise<ServerMemory> {
  const tree = descendants(pid);
  let bytes = 0;
  for (const [i, member] of tree.entries()) {
    bytes += proportionalSize(member);
    if (i % BATCH !== 0) continue;
    watch(i, tree.length);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return { pid, processes: tree.length, bytes };
}

/** Inodes of the sockets that listen there. */
function listeningSockets(address: Address): string[] {
  if ("path" in address) {
    return rows("/proc/net/unix")
      .filter(([, , , flags, , , , path]) =>
        parseInt(flags ?? "0", 16) & ACCEPTS && path === address.path
      )
      .map((fields) => fields[6]!);
  }
  const port = address.port.toString(16).toUpperCase().padStart(4, "0");
  return [...rows("/proc/net/tcp"), ...rows("/proc/net/tcp6")]
    .filter(([, local, , state]) =>
      state === LISTENING && local?.endsWith(`:${port}`)
    )
    .map((fields) => fields[9]!);
}

/** The words of each line after the first of a table in /proc/net. */
function rows(path: string): string[][] {
  const lines = tryRead(path).trimEnd().split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/));
}

/** Every process and its parent. */
function parentTable(): Map<number, number> {
  const table = new Map<number, number>();
  for (const name of listProcDirectory("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /\) \S (\d+)/.exec(tryRead(`/proc/${name}/stat`))?.[1];
    if (parent !== undefined) table.set(Number(name), Number(parent));
  }
  return table;
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const [pid, parent] of parentTable()) {
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...children.get(pid) ?? []); // grows while it is walked
  return tree;
}

function descriptorsOf(pid: number): string[] {
  try {
    return listProcDirectory(`/proc/${pid}/fd`).map((fd) =>
      descriptorTarget(fd, pid) ?? ""
    );
  } catch {
    return []; // it has ended, or is another user's
  }
}

/** Bytes of memory, with what is shared divided by how many share it: `Pss` of smaps_rollup. */
function proportionalSize(pid: number): number {
  const text = tryRead(`/proc/${pid}/smaps_rollup`);
  return 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

function tryRead(path: string): string {
  try {
    return readProcFile(path);
  } catch {
    return ""; // the process has ended, or is another user's
  }
}
