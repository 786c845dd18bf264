/**
 * Limits of a process: `getrlimit(2)`, `setrlimit(2)`, `setpriority(2)`.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { check } from "./errno.ts";
import { BigInt, exec, SafePattern } from "./intrinsics.ts";
import { cLibrary } from "./libc.ts";
import { readProcFile } from "./proc.ts";

const libc = cLibrary("getrlimit", "setpriority", "setrlimit");

const PRIO_PROCESS = 0; // sys/resource.h
const RLIM_INFINITY = 1n << 62n; // or more: each system has its own

/** The resources that can be limited here. */
const RESOURCES = {
  /** Seconds of processor time: RLIMIT_CPU. */
  cpu: 0,
  /** Bytes of private memory that can be written to: RLIMIT_DATA (Linux counts all of it since 4.7). */
  memory: 2,
  /** Bytes of a core file: RLIMIT_CORE. */
  core: 4,
  /** Open descriptors: RLIMIT_NOFILE. */
  files: abi.RLIMIT_NOFILE,
  /** Processes and threads of the user, in all: RLIMIT_NPROC. */
  processes: abi.RLIMIT_NPROC,
} as const;
export type Resource = keyof typeof RESOURCES;

/** A resource's limits. */
export interface Limit {
  /** The limit in force; a process may raise it. */
  readonly soft: number;
  /** How far. */
  readonly hard: number;
}

const VM_DATA = new SafePattern(/^VmData:\s+(\d+) kB$/m);
const pair = new BigUint64Array(2); // struct rlimit {rlim_t rlim_cur, rlim_max}
const pairBytes = new Uint8Array(pair.buffer);

/**
 * Reads a limit of this process.
 *
 * @returns Its limits; Infinity for none.
 * @throws {PosixError} When the system refuses.
 */
export function getLimit(resource: Resource): Limit {
  check(libc.getrlimit(RESOURCES[resource], pairBytes), "getrlimit");
  const [soft, hard] = [...pair].map((bound) =>
    bound >= RLIM_INFINITY ? Infinity : Number(bound)
  );
  return { soft: soft!, hard: hard! };
}

/**
 * Limits what this process, and those that it starts, may use.
 *
 * @throws {PosixError} EPERM when it is more than the hard limit, and this is not root.
 */
export function setLimit(resource: Resource, { soft, hard }: Limit): void {
  pair[0] = BigInt(soft);
  pair[1] = BigInt(hard);
  check(libc.setrlimit(RESOURCES[resource], pairBytes), "setrlimit");
}

/**
 * Lowers a soft limit; the hard limit, to which every process may raise it again, stays.
 *
 * @param most What may be used from here on, unless that is more than the hard limit allows.
 * @throws {PosixError} When the system refuses.
 */
export function lowerSoftLimit(resource: Resource, most: number): void {
  check(libc.getrlimit(RESOURCES[resource], pairBytes), "getrlimit");
  if (pair[0]! <= BigInt(most)) return;
  pair[0] = BigInt(most);
  check(libc.setrlimit(RESOURCES[resource], pairBytes), "setrlimit");
}

/**
 * How much memory this process has that the limit counts.
 *
 * @returns Bytes; used or not.
 * @throws {PosixError} When /proc cannot be read.
 */
export function memoryInUse(): number {
  const status = readProcFile("/proc/self/status");
  return 1024 * +(exec(VM_DATA, status)?.[1] ?? 0);
}

/**
 * Changes how willingly this process gives way to others.
 *
 * @throws {PosixError} EACCES when it is less than before, and this is not root.
 */
export function setNice(value: number): void {
  check(libc.setpriority(PRIO_PROCESS, 0, value), "setpriority");
}
