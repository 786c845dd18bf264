/**
 * Landlock (landlock(7), Linux 5.13 or later): what a process may reach of files, TCP ports, and
 * processes outside. It stays for good, and every process that is started or forked from here has it,
 * whatever machine code it runs.
 *
 * Files that are open already, and what a descriptor of a directory is used for by `fchmod(2)` and the
 * like, are not its business; nor are UDP, and sockets in the file system.
 *
 * @module
 */
import { addressOf } from "./bpf.ts";
import { check, errno, errorName } from "./errno.ts";
import { type EveryCall, onEveryThread } from "./every_thread.ts";
import { Fd } from "./fd.ts";
import type { Fence } from "./fence.ts";
import { cLibrary } from "./libc.ts";
import { systemCalls } from "./syscalls.ts";

const libc = cLibrary("open", "systemCall");

/** Numbers of linux/landlock.h, by what they are called there after `LANDLOCK_`. */
export const LANDLOCK = {
  CREATE_RULESET_VERSION: 1,
  RULE_PATH_BENEATH: 1,
  RULE_NET_PORT: 2,
  ACCESS_FS_EXECUTE: 1 << 0,
  ACCESS_FS_WRITE_FILE: 1 << 1,
  ACCESS_FS_READ_FILE: 1 << 2,
  ACCESS_FS_READ_DIR: 1 << 3,
  ACCESS_FS_REMOVE_DIR: 1 << 4,
  ACCESS_FS_REMOVE_FILE: 1 << 5,
  ACCESS_FS_MAKE_CHAR: 1 << 6,
  ACCESS_FS_MAKE_DIR: 1 << 7,
  ACCESS_FS_MAKE_REG: 1 << 8,
  ACCESS_FS_MAKE_SOCK: 1 << 9,
  ACCESS_FS_MAKE_FIFO: 1 << 10,
  ACCESS_FS_MAKE_BLOCK: 1 << 11,
  ACCESS_FS_MAKE_SYM: 1 << 12,
  /** Linux 5.19, version 2. */
  ACCESS_FS_REFER: 1 << 13,
  /** Linux 6.2, version 3. */
  ACCESS_FS_TRUNCATE: 1 << 14,
  /** Linux 6.10, version 5. */
  ACCESS_FS_IOCTL_DEV: 1 << 15,
  /** Linux 6.7, version 4, as is the next one. */
  ACCESS_NET_BIND_TCP: 1 << 0,
  ACCESS_NET_CONNECT_TCP: 1 << 1,
  /** Linux 6.12, version 6, as is the next one. */
  SCOPE_ABSTRACT_UNIX_SOCKET: 1 << 0,
  SCOPE_SIGNAL: 1 << 1,
  /** Linux 7.0, version 8: every thread of the process, at once. */
  RESTRICT_SELF_TSYNC: 1 << 3,
} as const;
const L = LANDLOCK;

const O_PATH_CLOEXEC = 0o12000000; // asm-generic/fcntl.h
const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000; // asm/fcntl.h

/** What a file can be given; the others are for directories. */
const FOR_FILES = L.ACCESS_FS_EXECUTE | L.ACCESS_FS_WRITE_FILE |
  L.ACCESS_FS_READ_FILE | L.ACCESS_FS_TRUNCATE | L.ACCESS_FS_IOCTL_DEV;

/** What is done with files. */
export type FileAccess = "read" | "write" | "execute";

/** All that each takes. */
const RIGHTS: Readonly<Record<FileAccess, number>> = {
  read: L.ACCESS_FS_READ_FILE | L.ACCESS_FS_READ_DIR,
  write: L.ACCESS_FS_WRITE_FILE | L.ACCESS_FS_TRUNCATE |
    L.ACCESS_FS_REMOVE_DIR | L.ACCESS_FS_REMOVE_FILE | L.ACCESS_FS_MAKE_DIR |
    L.ACCESS_FS_MAKE_REG | L.ACCESS_FS_MAKE_SOCK | L.ACCESS_FS_MAKE_FIFO |
    L.ACCESS_FS_MAKE_SYM | L.ACCESS_FS_REFER,
  execute: L.ACCESS_FS_EXECUTE | L.ACCESS_FS_READ_FILE,
};
/** What it takes to make a file, and write it. */
const TO_MAKE = L.ACCESS_FS_WRITE_FILE | L.ACCESS_FS_TRUNCATE |
  L.ACCESS_FS_MAKE_REG | L.ACCESS_FS_MAKE_DIR;

/** Rights by the version that brought them; none of a device is ever given. */
const FILE_RIGHTS: readonly (readonly [version: number, rights: number])[] = [
  [1, L.ACCESS_FS_REFER - 1],
  [2, L.ACCESS_FS_REFER],
  [3, L.ACCESS_FS_TRUNCATE],
  [5, L.ACCESS_FS_IOCTL_DEV],
];

/** What a process may reach; whatever is not named here is refused. */
export interface Reach {
  /** Files, and directories with all beneath; those that are not there are left out. */
  readonly files: readonly {
    readonly path: string;
    readonly access: readonly FileAccess[];
    /** Where nothing is there yet, its directory in its place, so that it can be made. */
    readonly orDirectory?: boolean;
  }[];
  /** TCP ports that it may connect to; null for all. */
  readonly connect: readonly number[] | null;
  /** TCP ports that it may listen on, 0 for one that the system chooses; null for all. */
  readonly bind: readonly number[] | null;
}

/** Every file and port, and no process or abstract socket outside. */
const ALL_BUT_OTHERS: Reach = {
  files: [{ path: "/", access: ["read", "write", "execute"] }],
  connect: null,
  bind: null,
};

function call(name: string, ...args: bigint[]): number {
  const number = systemCalls(Deno.build.arch).get(name)!;
  const [a = 0n, b = 0n, c = 0n, d = 0n] = args;
  return libc.systemCall?.(BigInt(number), a, b, c, d, 0n) ?? -1;
}

// Looked up once: a zygote's children must not have to.
const RESTRICT_SELF = BigInt(
  systemCalls(Deno.build.arch).get("landlock_restrict_self")!,
);

let version: number | undefined;

/**
 * What this kernel knows of Landlock.
 *
 * @returns Its version; 0 where there is none, or it is refused.
 */
export function landlockVersion(): number {
  if (Deno.build.os !== "linux") return 0;
  version ??= Math.max(
    0,
    call(
      "landlock_create_ruleset",
      0n,
      0n,
      BigInt(L.CREATE_RULESET_VERSION),
    ),
  );
  return version;
}

/** What Landlock holds, by the version since which it does. */
const LOCKS: readonly (readonly [version: number, kernel: string, string])[] = [
  [1, "5.13", "files"],
  [3, "6.2", "the length of files"],
  [4, "6.7", "TCP ports"],
  [6, "6.12", "signals and abstract sockets"],
];

/**
 * Which locks are missing here.
 *
 * @param known The version that there is.
 * @returns A part of a sentence for the log; null when all are there.
 */
export function missingLocks(known = landlockVersion()): string | null {
  const missing = LOCKS.filter(([since]) => known < since);
  if (missing.length === 0) return null;
  const names = missing.map(([, kernel, what]) => `${what} (Linux ${kernel})`);
  return `this kernel does not lock ${names.join(", ")}`;
}

/**
 * Makes a set of rules, for {@linkcode enterDomain}; call it while FFI permission still stands.
 *
 * @param reach What a process may reach.
 * @returns A descriptor, close-on-exec, the caller's to close.
 * @throws {PosixError} EOPNOTSUPP when Landlock is switched off, ENOSYS when there is none.
 */
export function makeRuleset({ files, connect, bind }: Reach): Fd {
  const known = landlockVersion();
  const handled = FILE_RIGHTS.reduce(
    (rights, [since, more]) => since <= known ? rights | more : rights,
    0,
  );
  const ports = known < 4 ? 0 : (bind ? L.ACCESS_NET_BIND_TCP : 0) |
    (connect ? L.ACCESS_NET_CONNECT_TCP : 0);
  const scoped = known < 6 ? 0 : L.SCOPE_ABSTRACT_UNIX_SOCKET | L.SCOPE_SIGNAL;
  // struct landlock_ruleset_attr {u64 handled_access_fs, handled_access_net, scoped}
  const attributes = words(handled, ports, scoped);
  const size = known < 4 ? 8n : known < 6 ? 16n : 24n;
  const number = call(
    "landlock_create_ruleset",
    addressOf(attributes),
    size,
    0n,
  );
  const ruleset = new Fd(check(number, "landlock_create_ruleset"));
  try {
    for (const { path, access, orDirectory } of files) {
      const rights = handled &
        access.reduce((sum, name) => sum | RIGHTS[name], 0);
      if (allowBeneath(ruleset, path, rights) || !orDirectory) continue;
      allowBeneath(ruleset, directoryOf(path), rights & TO_MAKE);
    }
    for (const port of (ports ? connect ?? [] : [])) {
      allowPort(ruleset, port, L.ACCESS_NET_CONNECT_TCP);
    }
    for (const port of (ports ? bind ?? [] : [])) {
      allowPort(ruleset, port, L.ACCESS_NET_BIND_TCP);
    }
    return ruleset;
  } catch (error) {
    ruleset.close();
    throw error;
  }
}

function directoryOf(path: string): string {
  return path.replace(/\/*[^/]+\/*$/, "") || "/";
}

/** Adds a rule for what is at a path now, if anything is, and not for what comes to be there later. */
function allowBeneath(ruleset: Fd, path: string, rights: number): boolean {
  const name = new TextEncoder().encode(path + "\0");
  let number = libc.open(name, O_PATH_CLOEXEC | O_DIRECTORY);
  let allowed = rights;
  if (number < 0 && errorName(errno()) === "ENOTDIR") {
    number = libc.open(name, O_PATH_CLOEXEC);
    allowed &= FOR_FILES;
  }
  if (number < 0) return false;
  using file = new Fd(number);
  // struct landlock_path_beneath_attr {u64 allowed_access; s32 parent_fd}, packed
  const rule = words(allowed, file.number);
  if (allowed !== 0) addRule(ruleset, L.RULE_PATH_BENEATH, rule);
  return true;
}

function allowPort(ruleset: Fd, port: number, right: number): void {
  // struct landlock_net_port_attr {u64 allowed_access, port}
  addRule(ruleset, L.RULE_NET_PORT, words(right, port));
}

function addRule(
  ruleset: Fd,
  type: number,
  rule: Uint8Array<ArrayBuffer>,
): void {
  const result = call(
    "landlock_add_rule",
    BigInt(ruleset.number),
    BigInt(type),
    addressOf(rule),
    0n,
  );
  check(result, "landlock_add_rule");
}

function words(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);
}

/**
 * Encloses this process for good; what it forks or starts, too. Needs `giveUpNewPrivileges` of
 * `seccomp.ts` before.
 *
 * @param ruleset From {@linkcode makeRuleset}, borrowed.
 * @param options `threads`: every thread of this process (else this one alone, which is enough where the
 *   others are parked for good).
 * @throws {PosixError} E2BIG after sixteen of them.
 * @throws {TypeError} When a thread does not answer: then this process is enclosed in part.
 */
export function enterDomain(
  ruleset: Fd,
  { threads = false }: { threads?: boolean } = {},
): void {
  const atOnce = threads && landlockVersion() >= 8;
  const flags = BigInt(atOnce ? L.RESTRICT_SELF_TSYNC : 0);
  const args = [BigInt(ruleset.number), flags];
  const restrict: EveryCall = { call: "landlock_restrict_self", args };
  if (threads && !atOnce) return onEveryThread([restrict]);
  check(call(restrict.call, ...args), restrict.call);
}

/** Keeps a zygote's children apart, whose domain is the zygote's: none can signal another, or the zygote. */
export class DomainFence implements Fence {
  #ruleset: Fd | null = null;

  /** See {@linkcode Fence}. */
  arm(): void {
    this.#ruleset = makeRuleset(ALL_BUT_OTHERS);
  }

  /** See {@linkcode Fence}. */
  putUp(): void {
    const ruleset = this.#ruleset;
    const result = libc.systemCall?.(
      RESTRICT_SELF,
      BigInt(ruleset?.number ?? -1),
      0n,
      0n,
      0n,
      0n,
    );
    if (ruleset === null) return;
    check(result ?? -1, "landlock_restrict_self");
    ruleset.close();
  }
}
