/**
 * Settling a zygote's memory. A fork copies an entry of the page tables for each page that the process
 * ever wrote, thousands of them, and the child's end undoes them all: a third of what a connection
 * costs, for pages of which a child needs a tenth. Pages of a file, mapped privately, are not copied:
 * who needs one finds it. So all that has been written until now becomes the content of a nameless file
 * (`memfd_create(2)`), mapped over itself; from then on only what is touched again is copied.
 *
 * Nothing may write between the copy and the mapping, and JavaScript always does: the two calls are a
 * few instructions of machine code in the page of `heap_layout.ts`. Where there is no such page, forks cost
 * more and all else is the same.
 *
 * @module
 */
import { Fd } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import { readProcFile } from "../posix/proc.ts";

const libc = cLibrary("memfd_create");

/** Where the code begins in the page that the loader mapped for us, and what it is called there. */
export const SETTLE_AT = 0x300;
/** See {@linkcode SETTLE_AT}. */
export const SETTLE_NAME = "mpserv_settle";

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
export interface Region {
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
 * `long mpserv_settle(const struct entry *table, int count, char *stack)` for x86_64: first writes each
 * region into the file (`pwrite64(2)`), then maps each part of the file over its region (`mmap(2)`,
 * private and fixed), and at last forgets what deeper calls left on the stack, from its lowest address
 * to 64 KiB below its end (`madvise(2)` MADV_DONTNEED). It calls no function, and writes to no memory
 * but its stack, which is no such region. It returns 0, or what the call that failed returned.
 */
export function settleCode(): Uint8Array<ArrayBuffer> {
  const code: number[] = [];
  const holes = new Map<string, number[]>();
  const emit = (hex: string) => {
    for (const byte of hex.split(" ")) code.push(parseInt(byte, 16));
  };
  const jump = (opcode: string, label: string) => {
    emit(opcode);
    holes.set(label, [...holes.get(label) ?? [], code.push(0) - 1]);
  };
  const places = new Map<string, number>();
  const label = (name: string) => places.set(name, code.length);

  emit("53 55 41 54 41 55 41 56"); // push rbx, rbp, r12, r13, r14
  emit("49 89 d6"); // mov r14, rdx: the stack
  emit("49 89 fc 41 89 f5"); // mov r12, rdi: the table; mov r13d, esi: how many
  emit("4c 89 e3 44 89 ed"); // mov rbx, r12; mov ebp, r13d
  label("copy");
  emit("85 ed"); // test ebp, ebp
  jump("74", "copied"); // je
  emit("48 8b 7b 10"); // mov rdi, [rbx+16]: descriptor
  emit("48 8b 33"); // mov rsi, [rbx]: address
  emit("48 8b 53 08"); // mov rdx, [rbx+8]: length
  emit("4c 8b 53 18"); // mov r10, [rbx+24]: offset
  emit("b8 12 00 00 00 0f 05"); // mov eax, 18 (pwrite64); syscall
  emit("48 3b 43 08"); // cmp rax, [rbx+8]
  jump("75", "out"); // jne
  emit("48 83 c3 28 ff cd"); // add rbx, 40; dec ebp
  jump("eb", "copy"); // jmp
  label("copied");
  emit("4c 89 e3 44 89 ed");
  label("map");
  emit("85 ed");
  jump("74", "mapped");
  emit("48 8b 3b"); // mov rdi, [rbx]: address
  emit("48 8b 73 08"); // mov rsi, [rbx+8]: length
  emit("48 8b 53 20"); // mov rdx, [rbx+32]: protection
  emit("41 ba 12 00 00 00"); // mov r10d, MAP_PRIVATE | MAP_FIXED
  emit("4c 8b 43 10"); // mov r8, [rbx+16]: descriptor
  emit("4c 8b 4b 18"); // mov r9, [rbx+24]: offset
  emit("b8 09 00 00 00 0f 05"); // mov eax, 9 (mmap); syscall
  emit("48 3b 03"); // cmp rax, [rbx]
  jump("75", "out");
  emit("f6 43 20 02"); // test byte [rbx+32], PROT_WRITE
  jump("74", "next");
  emit("8a 08 88 08"); // mov cl, [rax]; mov [rax], cl: children get what is read of a region once written
  label("next");
  emit("48 83 c3 28 ff cd");
  jump("eb", "map");
  label("mapped");
  emit("4c 89 f7"); // mov rdi, r14: the stack
  emit("48 8d b4 24 00 00 ff ff"); // lea rsi, [rsp-65536]
  emit("48 29 fe"); // sub rsi, rdi
  jump("76", "done"); // jbe: it is not the stack that we are on
  emit("ba 04 00 00 00"); // mov edx, MADV_DONTNEED
  emit("b8 1c 00 00 00 0f 05"); // mov eax, 28 (madvise); syscall
  label("done");
  emit("31 c0"); // xor eax, eax
  label("out");
  emit("41 5e 41 5d 41 5c 5d 5b c3"); // pop r14, r13, r12, rbp, rbx; ret

  for (const [name, at] of holes) {
    for (const hole of at) code[hole] = places.get(name)! - hole - 1 & 0xff;
  }
  return new Uint8Array(code);
}

/**
 * Readies the settling of this process's memory; call it while FFI permission still stands.
 *
 * @returns What settles all that has been written until it is called, when the other threads are parked;
 *   where the system refuses, nothing changes. Null where the page with the code is missing.
 */
export function prepareSettling(): (() => void) | null {
  const { memfd_create } = libc;
  const library = preloaded();
  if (library === null || !memfd_create) return null;
  // The loader knows the page already, and gives the address in it.
  const { symbols } = Deno.dlopen(library, {
    [SETTLE_NAME]: { parameters: ["buffer", "i32", "u64"], result: "i64" },
  });
  const settle = symbols[SETTLE_NAME];
  const name = new TextEncoder().encode(`${NAME}\0`);
  return () => {
    for (let i = 0; i < TRIES; i++) {
      const { written, stack } = regionsOf(readProcFile("/proc/self/smaps"));
      const fd = memfd_create(name, MFD_CLOEXEC);
      if (fd < 0) return;
      using file = new Fd(fd); // the mappings keep what it holds
      const table = tableOf(written, file.number);
      const bytes = new Uint8Array(table.buffer);
      if (settle(bytes, written.length, stack) === 0n) return;
      // A region has shrunk since it was looked at, and nothing has been mapped.
    }
  };
}

/** The path of our library, from the environment that this process was started with. */
function preloaded(): string | null {
  const variables = readProcFile("/proc/self/environ").split("\0");
  const found = variables.find((text) => text.startsWith("LD_PRELOAD="));
  return found?.slice("LD_PRELOAD=".length) ?? null;
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
