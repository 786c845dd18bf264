/**
 * Settling a zygote's memory. A fork copies an entry of the page tables for each page that the process
 * ever wrote, thousands of them, and the child's end undoes them all: a third of what a connection
 * costs, for pages of which a child needs a tenth. Pages of a file, mapped privately, are not copied:
 * who needs one finds it. So all that has been written until now becomes the content of a nameless file
 * (`memfd_create(2)`), mapped over itself; from then on only what is touched again is copied.
 *
 * Nothing may write between the copy and the mapping, and JavaScript always does: the two calls are
 * machine code (`machine_code/settle.c`). Where there is none, forks cost more and all else is the same.
 *
 * @module
 */
import { Fd } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import { readProcFile } from "../posix/proc.ts";
import type { MachineCode } from "./machine_code/machine_code.ts";

const libc = cLibrary("memfd_create");

const MFD_CLOEXEC = 1; // linux/memfd.h
const PROT_READ = 1n; // asm-generic/mman-common.h
const PROT_READ_WRITE = 3n;
/** Smaller regions are not worth a mapping of their own, in KiB. */
const LEAST = 64;
const TRIES = 5;
/** Five words each: address, length, descriptor, offset, protection. */
const ENTRY = 5;
/** Of the file, for whoever looks into `/proc/PID/maps`. */
const NAME = "mpserv-memory";

/** A line of `/proc/PID/maps`. */
interface Region {
  /** Its first address. */
  readonly start: bigint;
  /** The address after its last. */
  readonly end: bigint;
  /** Such as `rw-p`. */
  readonly protection: string;
  /** What is mapped; empty for nothing but memory. */
  readonly path: string;
}

/**
 * Readies the settling of this process's memory; call it while FFI permission still stands.
 *
 * @returns What settles all that has been written until it is called, when the other threads are parked;
 *   where the system refuses, nothing changes. Null where there is no machine code.
 */
export function prepareSettling(
  code: MachineCode | null,
): (() => void) | null {
  const { memfd_create } = libc;
  if (code === null || !memfd_create) return null;
  const { mpserv_settle } = code;
  const name = new TextEncoder().encode(`${NAME}\0`);
  return () => {
    for (let i = 0; i < TRIES; i++) {
      const { written, stack } = regionsOf(readProcFile("/proc/self/smaps"));
      const fd = memfd_create(name, MFD_CLOEXEC);
      if (fd < 0) return;
      using file = new Fd(fd); // the mappings keep what it holds
      const table = tableOf(written, file.number);
      const bytes = new Uint8Array(table.buffer);
      if (mpserv_settle(bytes, written.length, stack) === 0n) return;
      // A region has shrunk since it was looked at, and nothing has been mapped.
    }
  };
}

function tableOf(
  regions: readonly Region[],
  fd: number,
): BigUint64Array<ArrayBuffer> {
  const table = new BigUint64Array(ENTRY * regions.length);
  let offset = 0n;
  regions.forEach(({ start, end, protection }, i) => {
    const length = end - start;
    const allowed = protection[1] === "w" ? PROT_READ_WRITE : PROT_READ;
    table.set([start, length, BigInt(fd), offset, allowed], ENTRY * i);
    offset += length;
  });
  return table;
}

/**
 * The regions that hold mostly pages of this process alone, or that were settled before: heaps and data,
 * not stacks, which are in use while they would be copied, and not code.
 *
 * @returns The regions, and the lowest address of the stack; 0 when there is none.
 */
export function regionsOf(
  smaps: string,
): { written: Region[]; stack: bigint } {
  const written: Region[] = [];
  let stack = 0n;
  let region: Region | null = null;
  for (const line of smaps.split("\n")) {
    // start-end permissions offset device inode path
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line);
    if (head) {
      const [, from, to, protection = "", path = ""] = head;
      const [start, end] = [BigInt(`0x${from}`), BigInt(`0x${to}`)];
      region = { start, end, protection, path };
      if (path === "[stack]") stack = start;
      if (isData(region) && path.includes(NAME)) written.push(region);
      continue;
    }
    const anonymous = Number(/^Anonymous: +(\d+) kB/.exec(line)?.[1] ?? 0);
    if (region === null || anonymous < LEAST || !isData(region)) continue;
    if (region.path.includes(NAME)) continue; // it is there already
    const size = Number(region.end - region.start) / 1024;
    if (2 * anonymous >= size) written.push(region);
  }
  return { written, stack };
}

function isData({ protection, path }: Region): boolean {
  return /^r[w-]-p$/.test(protection) && path !== "[stack]";
}
