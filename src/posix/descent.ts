/**
 * Finds the descendants of a connection's process, even those that left its group,
 * its session and its parent. The server inherits processes that lost their parent
 * (`PR_SET_CHILD_SUBREAPER`), and knows by their mark whose they were.
 *
 * A mark that tells for which connection a process was started, whoever started it: every process hands it on
 * to those that it starts. It is the soft limit of file locks, which has limited nothing since Linux 2.4.25
 * (getrlimit(2)), and can be seen in `/proc/PID/limits`.
 *
 * @module
 */
import { BigInt } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";
import {
  allChildrenOf,
  childrenOf,
  processStat,
  readProcFile,
} from "./proc.ts";

const libc = cLibrary("getrlimit", "setrlimit");

const RLIMIT_LOCKS = 10; // asm-generic/resource.h
const ID_BITS = 32;
const isLinux = Deno.build.os === "linux";

const pair = new BigUint64Array(2); // struct rlimit {rlim_t rlim_cur, rlim_max}
const pairBytes = new Uint8Array(pair.buffer);
/** The server, of a process that it has started, and of those forked from that. */
const server = Deno.ppid;

interface Mark {
  readonly server: number;
  /** The connection, of which 32 bits are kept. */
  readonly id: number;
}

/**
 * Marks this process, and whatever it starts from here on. Where the system refuses, nobody finds what leaves
 * its parent and its group.
 */
export function markAs(id: number): void {
  if (!isLinux) return;
  if (libc.getrlimit(RLIMIT_LOCKS, pairBytes) !== 0) return;
  pair[0] = BigInt(server) << BigInt(ID_BITS) | BigInt(keptOf(id));
  libc.setrlimit(RLIMIT_LOCKS, pairBytes);
}

/** How a process is marked. Returns its mark; null when it has none, or has gone. */
function markOf(pid: number): Mark | null {
  let limits: string;
  try {
    limits = readProcFile(`/proc/${pid}/limits`);
  } catch {
    return null;
  }
  const soft = /^Max file locks +(\d+) /m.exec(limits)?.[1];
  if (soft === undefined) return null;
  const [server, id] = [
    BigInt(soft) >> BigInt(ID_BITS),
    BigInt.asUintN(ID_BITS, BigInt(soft)),
  ];
  return { server: Number(server), id: Number(id) };
}

/** The part of a connection's id that fits in a mark. */
function keptOf(id: number): number {
  return id % 2 ** ID_BITS;
}

/** A connection, and the process that serves it. */
export interface Root {
  /** The connection. */
  readonly id: number;
  /** The process; 0 when it has ended. */
  readonly pid: number;
}

/** Finds what descends from processes of this server. */
export function findDescent(
  roots: readonly Root[],
  isOther: (pid: number) => boolean,
  all = false,
): Set<number> {
  const found = new Set<number>();
  const served = new Set(roots.map(({ pid }) => pid));
  const add = (pid: number) => {
    if (found.has(pid) || served.has(pid) || !isThere(pid)) return;
    found.add(pid);
    allChildrenOf(pid).forEach(add);
  };
  for (const pid of served) if (pid > 0) allChildrenOf(pid).forEach(add);
  const ids = new Set(roots.map(({ id }) => keptOf(id)));
  for (const pid of childrenOf(Deno.pid)) { // the first thread inherits
    if (isOther(pid)) continue;
    const mark = markOf(pid);
    if (mark?.server === Deno.pid && (all || ids.has(mark.id))) add(pid);
  }
  return found;
}

function isThere(pid: number): boolean {
  const state = processStat(pid)?.state ?? "X";
  return state !== "Z" && state !== "X";
}

/** Ancestors that are looked at: more than any process has that was not made to have them. */
const MOST_ANCESTORS = 4096;
/** How often to look again when ancestors ended meanwhile. */
const LOOKS = 8;

/**
 * Whether a process may descend from this one. It does if its ancestors lead here, since this process inherits those
 * that lost their parent; so may one that has gone, and one whose ancestors change all the time. `pid`: the process;
 * 0 for one outside of our PID namespace, which cannot descend from us. Returns whether it may; false where the
 * system does not show processes.
 */
export function mayDescend(pid: number): boolean {
  if (pid === 0 || processStat(Deno.pid) === null) return false;
  if (markOf(pid)?.server === Deno.pid) return true;
  let before = "";
  for (let look = 0; look < LOOKS; look++) {
    const ancestors = ancestorsOf(pid);
    if (ancestors.includes(Deno.pid)) return true;
    // Twice the same: no number among them was another process's by the time that it was looked at.
    const now = ancestors.join();
    if (ancestors.at(-1) === 0 && now === before) return false;
    before = now;
  }
  return true;
}

/** Parents upwards from a process: 0 is that of the first, and last of all unless one has gone. */
function ancestorsOf(pid: number): number[] {
  const ancestors: number[] = [];
  for (let at = pid; at > 0 && ancestors.length < MOST_ANCESTORS;) {
    const stat = processStat(at);
    if (stat === null) break;
    ancestors.push(at = stat.parent);
  }
  return ancestors;
}
