/**
 * A mark that tells for which connection a process was started, whoever started it: every process hands it on
 * to those that it starts. It is the soft limit of file locks, which has limited nothing since Linux 2.4.25
 * (getrlimit(2)), and can be seen in `/proc/PID/limits`.
 *
 * @module
 */
import { BigInt } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";
import { readProcFile } from "./proc.ts";

const libc = cLibrary("getrlimit", "setrlimit");

const RLIMIT_LOCKS = 10; // asm-generic/resource.h
const ID_BITS = 32;
const isLinux = Deno.build.os === "linux";

const pair = new BigUint64Array(2); // struct rlimit {rlim_t rlim_cur, rlim_max}
const pairBytes = new Uint8Array(pair.buffer);
/** The server, of a process that it has started, and of those forked from that. */
const server = Deno.ppid;

/** A mark. */
export interface Mark {
  /** The server's process id. */
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

/**
 * How a process is marked.
 *
 * @returns Its mark; null when it has none, or has gone.
 */
export function markOf(pid: number): Mark | null {
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

/** What a mark keeps of a connection's id. */
export function keptOf(id: number): number {
  return id % 2 ** ID_BITS;
}
