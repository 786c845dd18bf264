/**
 * Packing a zygote's memory. V8 asks for each 256 KiB of its heap at a random address below 2^46, so
 * that every piece drags page tables of its own through each fork and each exit: more than half of
 * what a fork costs. With that range occupied before V8 starts, the kernel puts the pieces side by side.
 *
 * It has to happen before `main`, hence a shared library for LD_PRELOAD (ld.so(8)): one page, made here
 * in memory, whose initializer is a single `mmap(2)` of nothing (PROT_NONE); it also holds the code of
 * `settle.ts`. Where it cannot be had, forks cost more and all else is the same.
 *
 * @module
 */
import { Fd } from "../posix/fd.ts";
import { write } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import { SETTLE_AT, SETTLE_NAME, settleCode } from "./settle.ts";

const libc = cLibrary("memfd_create", "unsetenv");

const PAGE = 0x1000;
const DYNAMIC_AT = 0x100;
const HASH_AT = 0x1c0;
const STRINGS_AT = 0x1d8;
const SYMBOLS_AT = 0x1e8;
const CODE_AT = 0x220;

/** From above the pages that no process may map to where V8's random addresses end. */
const RANGE = { start: 0x100000n, length: 0x3fff_ffe0_0000n };

/** The library, for Linux on x86_64 (elf(5)). */
export function denseLibrary(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  const words = (at: number, ...values: bigint[]) =>
    values.forEach((value, i) => view.setBigUint64(at + 8 * i, value, true));
  // Elf64_Ehdr: magic, ELFCLASS64, ELFDATA2LSB, EV_CURRENT; ET_DYN, EM_X86_64; three program headers
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  words(32, 64n); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 3, true); // e_phnum
  // Elf64_Phdr {u32 type, flags; u64 offset, vaddr, paddr, filesz, memsz, align}
  const header = (i: number, type: number, flags: number, rest: bigint[]) => {
    view.setUint32(64 + 56 * i, type, true);
    view.setUint32(64 + 56 * i + 4, flags, true);
    words(64 + 56 * i + 8, ...rest);
  };
  const page = BigInt(PAGE);
  const dynamic = BigInt(DYNAMIC_AT);
  header(0, 1, 7, [0n, 0n, 0n, page, page, page]); // PT_LOAD, rwx: the loader writes into the table
  header(1, 2, 6, [dynamic, dynamic, dynamic, 0x70n, 0x70n, 8n]); // PT_DYNAMIC
  header(2, 0x6474e551, 6, [0n, 0n, 0n, 0n, 0n, 16n]); // PT_GNU_STACK: not executable
  // Elf64_Dyn {tag, value}: INIT, HASH, STRTAB, SYMTAB, STRSZ, SYMENT, NULL
  words(
    DYNAMIC_AT,
    12n,
    BigInt(CODE_AT),
    4n,
    BigInt(HASH_AT),
    5n,
    BigInt(STRINGS_AT),
  );
  const name = new TextEncoder().encode(`\0${SETTLE_NAME}\0`);
  bytes.set(name, STRINGS_AT);
  words(DYNAMIC_AT + 48, 6n, BigInt(SYMBOLS_AT), 10n, BigInt(name.length));
  words(DYNAMIC_AT + 80, 11n, 24n, 0n, 0n);
  // One bucket, with symbol 1; two symbols, the first of which every table begins with and means none.
  [1, 2, 1, 0, 0].forEach((word, i) =>
    view.setUint32(HASH_AT + 4 * i, word, true)
  );
  // Elf64_Sym {u32 name; u8 info, other; u16 section; u64 value, size}: STB_GLOBAL, STT_FUNC
  const settle = settleCode();
  const symbol = SYMBOLS_AT + 24;
  view.setUint32(symbol, 1, true);
  bytes[symbol + 4] = 0x12;
  view.setUint16(symbol + 6, 1, true);
  words(symbol + 8, BigInt(SETTLE_AT), BigInt(settle.length));
  bytes.set(initializer(), CODE_AT);
  bytes.set(settle, SETTLE_AT);
  return bytes;
}

/** `mmap(start, length, PROT_NONE, MAP_PRIVATE|ANONYMOUS|NORESERVE|FIXED_NOREPLACE, -1, 0)`. */
function initializer(): Uint8Array<ArrayBuffer> {
  const code = new Uint8Array([
    ...[0xb8, 9, 0, 0, 0], // mov eax, SYS_mmap
    ...[0xbf, 0, 0, 0, 0], // mov edi, start
    ...[0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0], // movabs rsi, length
    ...[0x31, 0xd2], // xor edx, edx: PROT_NONE
    ...[0x41, 0xba, 0x22, 0x40, 0x10, 0], // mov r10d, flags
    ...[0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff], // mov r8, -1
    ...[0x45, 0x31, 0xc9], // xor r9d, r9d
    ...[0x0f, 0x05], // syscall
    0xc3, // ret: whatever came of it
  ]);
  const view = new DataView(code.buffer);
  view.setUint32(6, Number(RANGE.start), true);
  view.setBigUint64(12, RANGE.length, true);
  return code;
}

/**
 * Makes the library loadable.
 *
 * @returns Its descriptor, close-on-exec, the caller's to close when nothing will be started with it
 *   any more; null where it does not apply. Its path is `/proc/PID/fd/NUMBER` with the caller's pid.
 */
export function openDenseLibrary(): Fd | null {
  const { memfd_create } = libc;
  if (
    Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" || !memfd_create
  ) return null;
  const MFD_CLOEXEC = 1;
  const fd = memfd_create(
    new TextEncoder().encode("mpserv-dense\0"),
    MFD_CLOEXEC,
  );
  if (fd < 0) return null;
  const library = new Fd(fd);
  if (write(library.number, denseLibrary()) === PAGE) return library;
  library.close();
  return null;
}

/** Forgets the library, in a process that was started with it: what it starts has no use for it. */
export function forgetDenseLibrary(): void {
  libc.unsetenv(new TextEncoder().encode("LD_PRELOAD\0"));
}
