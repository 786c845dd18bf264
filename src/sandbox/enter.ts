/**
 * The sandbox around a process that serves: what the system itself lets it do, whatever its code wants.
 * A process enters it when it has loaded our code, and before it runs any of a person's; the children of a
 * zygote have it from their first instruction.
 *
 * 1. It ends when the process dies that it waits for (`prctl(2)` PR_SET_PDEATHSIG): a zygote always, a
 *    spawned process until it takes a connection, which it then serves to the end.
 * 2. It is whom a person asked for (`process_limits.ts`), and leaves no core file, in which a stranger's bytes
 *    would lie about.
 * 3. Programs that it runs get no privileges that it has not (PR_SET_NO_NEW_PRIVS).
 * 4. A handler or a built-in service of a root server has none of root's capabilities: it is a user who
 *    owns root's files.
 * 5. A handler or a built-in service reaches the files, ports and processes that were granted (Landlock,
 *    `reach.ts`); what it runs is locked in with it. A program that serves is not: it may do what its
 *    user may.
 * 6. System calls are filtered (`policies.ts`); in the strict sandbox the parent
 *    is asked, who says in the log what it was, and ends the process.
 * 7. It gives up Deno's permissions, but for those that were granted, and what the runtime keeps on disk
 *    without one.
 *
 * @module
 */
import { check, errno, PosixError } from "../posix/errno.ts";
import {
  callsWithoutCapabilities,
  giveUpBoundingSet,
  onEveryThread,
} from "../posix/every_thread.ts";
import { Fd, memoryFile, openDescriptors, setInherit } from "../posix/fd.ts";
import { DomainFence } from "../posix/landlock.ts";
import { landlockVersion } from "../posix/landlock_abi.ts";
import { cLibrary } from "../posix/libc.ts";
import {
  descriptorTarget,
  listProcDirectory,
  readProcFile,
} from "../posix/proc.ts";
import {
  changeDirectory,
  dieWithParent,
  getLimit,
  memoryInUse,
  type Resource,
  setDumpable,
  setLimit,
  setNice,
  setUmask,
} from "../posix/process.ts";
import {
  type Fence,
  FilterFence,
  giveUpNewPrivileges,
  installFilter,
  prepareFilter,
} from "../posix/seccomp/filter.ts";
import { becomeUser } from "../posix/users.ts";
import {
  grantKind,
  hideInternals,
  revokePermissions,
} from "../runtime/permissions.ts";
import { type ChildOptions, grantsToLoad } from "../wire/child_options.ts";
import type { ProcessAttributes } from "../wire/choices.ts";
import { ServeError } from "../wire/tell.ts";
import { prepareDomains } from "./reach.ts";

/**
 * Takes it from this process, unless it may read and write every file. Under a sandbox the system keeps it
 * from workers, too, whose globals are their own.
 */
function takeStorage(grants: readonly string[]): void {
  if (grants.includes("read") && grants.includes("write")) return;
  for (const name of ["localStorage", "sessionStorage", "caches"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  Reflect.deleteProperty(Deno, "openKv");
}

const libc = cLibrary("dup2", "mmap", "open");

/** Has this process end with its parent, from here on. */
export function followParent({ sandbox }: ChildOptions): void {
  if (sandbox.level !== "off") dieWithParent();
}

/**
 * Prepares the restrictions that each child of a zygote installs at its start. Returns the fence, not armed; null
 * where none is needed. `filter`: makes that of the strict sandbox.
 */
export function prepareFence(
  { sandbox, grants }: ChildOptions,
  filter: () => Uint8Array<ArrayBuffer>,
): Fence | null {
  if (sandbox.level === "off") return null;
  if (sandbox.level === "default") {
    // Else its filter lets it signal nobody.
    const maySignal = !sandbox.hasFilters ||
      grants.some((grant) => grantKind(grant) === "run");
    return maySignal && landlockVersion() >= 6 ? new DomainFence() : null;
  }
  return new FilterFence(filter());
}

/**
 * Enters the sandbox, for good. From here on nothing can be opened of the C library, and no pointer made. Throws
 * `ServeError` when a person asked for what the system refuses. Throws `Error` when it cannot be whom a person
 * asked for.
 */
export function enterSandbox(
  options: ChildOptions,
  role: EnterOptions,
): Sandbox {
  const { attributes, service, sandbox } = options;
  const isProgram = "program" in service;
  const isEnclosed = sandbox.level !== "off" && !isProgram &&
    landlockVersion() > 0;
  // Look up its paths while it still may: the new user may not read them.
  const domains = isEnclosed ? prepareDomains(options, role) : null;
  // A program takes its place later, and with it what was asked for.
  if (attributes && !isProgram) {
    const threads = !role.isParked;
    if (sandbox.level !== "off") giveUpBoundingSet({ threads });
    takeIdentity(attributes);
  }
  if (sandbox.level !== "off") {
    setLimit("core", { soft: 0, hard: 0 });
    giveUpNewPrivileges();
  }
  const isOther = attributes?.user !== undefined && role.isZygote;
  if (isOther) setDumpable(true); // it looks at itself under /proc before it forks
  const isPlain = sandbox.level === "off" || isProgram;
  const calls = isPlain ? [] : callsWithoutCapabilities();
  if (domains) domains.enter(calls);
  else if (!isPlain) onEveryThread(role.isParked ? null : calls, calls);
  // From here until the parent has the listener, no call is made that it would be asked about.
  const listener = enterFilters(options, role);
  revokePermissions(grantsToLoad(options));
  if ("module" in service) {
    takeStorage(options.grants);
    hideInternals();
  }
  followParent(options); // the kernel forgets it when the user changes
  return {
    listener,
    isComplete: sandbox.level === "default" || listener !== null,
    narrow: () => {
      if (isOther) setDumpable(false);
      domains?.narrow();
      // To name the places in it, the runtime would read files.
      if (listener) Error.stackTraceLimit = 0;
    },
  };
}

interface EnterOptions {
  readonly isZygote: boolean;
  /** Its filter of system calls: `struct sock_filter`s. */
  readonly filter: (isStrict: boolean) => Uint8Array<ArrayBuffer>;
  /** Whether its other threads are parked. */
  readonly isParked?: boolean;
}

/** A sandbox that was entered. */
export interface Sandbox {
  /** The descriptor of the parent's notifications; this process sends and closes it. Null without notifications. */
  readonly listener: Fd | null;
  /** Whether it is as strict as it was to be, so that a fence belongs to it. */
  readonly isComplete: boolean;
  /** Takes from this process what it needs no more, once the code of a service is loaded. */
  narrow(): void;
}

function enterFilters(
  { sandbox }: ChildOptions,
  { isZygote, isParked = false, filter }: EnterOptions,
): Fd | null {
  if (sandbox.level === "off" || !sandbox.hasFilters) return null;
  const install = (isStrict: boolean) =>
    installFilter(prepareFilter(filter(isStrict)), {
      threads: !isParked,
      listen: isStrict,
    });
  // Where it was not asked for, processes of one thread get it: what a runtime's other threads do, and
  // when, is no business of the service.
  if (sandbox.level === "strict" && (isZygote || sandbox.isWanted)) {
    void new Date().toString(); // the time zone's file is read at the first date
    try {
      return install(true);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      if (sandbox.isWanted) {
        throw new ServeError(
          "sandbox",
          `Cannot use --sandbox strict: ${error.message}: leave the option out`,
        );
      }
    }
  }
  return install(false);
}

/*
 * The databases in which the runtime caches what it compiled (`DENO_DIR`), when it runs from source. It
 * keeps them open, for reading and writing, all its life: whoever broke into a connection process could
 * write code into them that a later start runs.
 */

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
 * Lets go of the databases, once all that matters has been loaded. SQLite believes in its descriptors, and would one
 * day write into a client's connection that got one of their numbers: so each refers to something harmless from here
 * on, and what remains is an empty database of this process alone. A look into the cache then finds no table, at
 * once, and a module that a handler imports later is loaded from its source. Does nothing where there is no `/proc`.
 * Throws `PosixError` when descriptors run out.
 */
export function letGoOfCaches(): void {
  const files = new Map<number, string>();
  for (const fd of ownDescriptors()) {
    const target = descriptorTarget(fd) ?? "";
    if (isCache(target)) files.set(Number(fd), target);
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

/** The open ones: to ask for each that there could be takes milliseconds. */
function ownDescriptors(): readonly (number | string)[] {
  try {
    return listProcDirectory("/proc/self/fd");
  } catch {
    return openDescriptors(); // an older C library, or no descriptor to look with
  }
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

/*
 * The user and the limits of a connection process. The user
 * a process takes up before it runs any of the person's code; a zygote, for all its children. What it may
 * use it takes up after its first connection has come and before a byte of it is read, so that no limit
 * stands in the way of the handover. A program takes up both when it takes the place of its process.
 */

/** Bytes: more than any process has. */
const PLENTY = 2 ** 52;

let isLimited = false;
let noted: number | undefined;

/**
 * Looks how much memory this process has, and its children will have when they begin, while that can be
 * asked for: under a strict sandbox no file can be read.
 */
export function noteMemory(attributes: ProcessAttributes | undefined): void {
  if (attributes?.limits.memory !== undefined) noted = memoryInUse();
}

/** Changes to the requested user and limits. Throws `Error` when the system refuses; then nothing must be served. */
export function takeIdentity(attributes: ProcessAttributes): void {
  const { user, directory, umask, nice, limits } = attributes;
  // Later it may not have more than it has now.
  for (const [resource, bound] of Object.entries(limits)) {
    const { soft, hard } = getLimit(resource as Resource);
    const most = resource === "cpu" ? bound + 1 : bound;
    if (most > hard) setLimit(resource as Resource, { soft, hard: most });
  }
  if (nice !== undefined) setNice(nice);
  if (umask !== undefined) setUmask(umask);
  if (user !== undefined) becomeUser(user);
  if (directory !== undefined) enter(directory);
}

/** Takes up the limits, once in a process. Throws `Error` when the system refuses; then nothing must be served. */
export function takeLimits(
  { limits }: ProcessAttributes,
  isProgram: boolean,
): void {
  if (isLimited) return;
  const { cpu, memory, files, processes } = limits;
  // SIGXCPU comes at the first, and can be caught; SIGKILL a second later.
  if (cpu !== undefined) setLimit("cpu", { soft: cpu, hard: cpu + 1 });
  if (files !== undefined) setLimit("files", same(files));
  if (processes !== undefined) setLimit("processes", same(processes));
  if (memory !== undefined && !isProgram) {
    setLimit("memory", same((noted ?? memoryInUse()) + memory));
  }
  isLimited = true;
}

/** The directory was there at start; the user alone may not be let in. */
function enter(directory: string): void {
  try {
    changeDirectory(directory);
  } catch (error) {
    throw new TypeError(
      `Cannot change to "${directory}": ${(error as Error).message}`,
    );
  }
}

/**
 * The limit of the memory of the program that this process becomes. The result sets it, right before the program is
 * there: the runtime has more already, so that to compile a function would end it. Undefined where no limit was asked
 * for. Throws `PosixError` when the system refuses.
 */
export function programMemory(
  { limits: { memory } }: ProcessAttributes,
): (() => void) | undefined {
  if (memory === undefined) return undefined;
  const limit = (bytes: number) => setLimit("memory", same(bytes));
  limit(Math.min(getLimit("memory").hard, PLENTY)); // so that all of it is compiled
  return () => limit(memory);
}

function same(bound: number): { soft: number; hard: number } {
  return { soft: bound, hard: bound };
}
