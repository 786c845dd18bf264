/**
 * The databases in which the runtime caches what it compiled (`DENO_DIR`), when it runs from source. It
 * keeps them open, for reading and writing, all its life: whoever broke into a connection process could
 * write code into them that a later start runs.
 *
 * @module
 */
import { check, errno, PosixError } from "../posix/errno.ts";
import { Fd, openDescriptors, setInherit } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import { memoryFile } from "../posix/memory_file.ts";
import { descriptorTarget, readProcFile } from "../posix/proc.ts";

const libc = cLibrary("dup2", "mmap", "open");

const O_RDONLY = 0;
const PROT_READ_WRITE = 3; // asm-generic/mman-common.h
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x02 | 0x10 | 0x20;
/** SQLite's files (sqlite.org/wal.html), such as `v8_code_cache_v2-wal`. */
const DATABASE = /\/\w+_cache_v\d+(-wal|-shm|-journal)?( \(deleted\))?$/;
const SHARED_MEMORY = /-shm( \(deleted\))?$/;

/** Whether a descriptor is one of such a database. */
export function isCache(target: string): boolean {
  return DATABASE.test(target);
}

/**
 * Lets go of the databases, once all that matters has been loaded. SQLite believes in its descriptors,
 * and would one day write into a client's connection that got one of their numbers: so each refers to
 * something harmless from here on, and what remains is an empty database of this process alone. A look
 * into the cache then finds no table, at once, and a module that a handler imports later is loaded from
 * its source. Does nothing where there is no `/proc`.
 *
 * @throws {PosixError} When descriptors run out.
 */
export function letGoOfCaches(): void {
  const files = new Map<number, string>();
  for (const fd of openDescriptors()) {
    const target = descriptorTarget(fd) ?? "";
    if (isCache(target)) files.set(fd, target);
  }
  if (files.size === 0) return;
  // The lock file must be one that can be locked, or SQLite waits for ten seconds; and nobody else's.
  using locks = memoryFile("mpserv-no-cache")!; // there is a /proc: it is Linux
  using nothing = new Fd(
    check(libc.open(new TextEncoder().encode("/dev/null\0"), O_RDONLY), "open"),
  );
  for (const [fd, target] of files) {
    const over = SHARED_MEMORY.test(target) ? locks : nothing;
    check(libc.dup2(over.number, fd), "dup2");
    setInherit(fd, false);
  }
  clearSharedMemory();
}

/** Puts empty memory in the place of the index that all users of a database share. */
function clearSharedMemory(): void {
  for (const line of readProcFile("/proc/self/maps").split("\n")) {
    // start-end permissions offset device inode path
    const [, from, to, path = ""] =
      /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ +(.*)$/.exec(line) ?? [];
    if (!DATABASE.test(path) || !SHARED_MEMORY.test(path)) continue;
    const start = BigInt(`0x${from}`);
    // Safety: the range is a mapping of the database alone, and memory of the same size takes its place.
    const mapped = libc.mmap(
      start,
      BigInt(`0x${to}`) - start,
      PROT_READ_WRITE,
      MAP_PRIVATE_FIXED_ANONYMOUS,
      -1,
      0n,
    );
    if (mapped !== start) throw new PosixError("mmap", errno());
  }
}
