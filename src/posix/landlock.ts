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
import { addressOf } from "./abi.ts";
import { check, errno, errorName } from "./errno.ts";
import { onEveryThread } from "./every_thread.ts";
import { Fd } from "./fd.ts";
import { LANDLOCK, landlockVersion } from "./landlock_abi.ts";
import { cLibrary } from "./libc.ts";
import type { Fence } from "./seccomp/filter.ts";
import { systemCalls } from "./seccomp/system_call_numbers.ts";

const libc = cLibrary("open", "systemCall");

const L = LANDLOCK;

const PR_SET_NO_NEW_PRIVS = 38n; // linux/prctl.h
const O_PATH_CLOEXEC = 0o12000000; // asm-generic/fcntl.h
const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000; // asm/fcntl.h

/** The rights that a file can have; the others are for directories. */
const FOR_FILES = L.ACCESS_FS_EXECUTE | L.ACCESS_FS_WRITE_FILE |
  L.ACCESS_FS_READ_FILE | L.ACCESS_FS_TRUNCATE | L.ACCESS_FS_IOCTL_DEV;

/** The ways to use files. */
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
/** The rights needed to create a file and write it. */
const TO_MAKE = L.ACCESS_FS_WRITE_FILE | L.ACCESS_FS_TRUNCATE |
  L.ACCESS_FS_MAKE_REG | L.ACCESS_FS_MAKE_DIR;

/** Rights by the version that brought them; none of a device is ever given. */
const FILE_RIGHTS: readonly (readonly [version: number, rights: number])[] = [
  [1, L.ACCESS_FS_REFER - 1],
  [2, L.ACCESS_FS_REFER],
  [3, L.ACCESS_FS_TRUNCATE],
  [5, L.ACCESS_FS_IOCTL_DEV],
];

/** The files, ports and processes that a process may use; all others are refused. */
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

/** The structure that a call is given; held here while the kernel reads it. */
const structure = new BigUint64Array(3);

/** Fills it, and says where it is. */
function structureOf(...values: number[]): bigint {
  structure.set(values.map(BigInt));
  return addressOf(new Uint8Array(structure.buffer));
}

function call(name: string, ...args: bigint[]): number {
  const number = systemCalls(Deno.build.arch).get(name)!;
  const [a = 0n, b = 0n, c = 0n, d = 0n] = args;
  return libc.systemCall?.(BigInt(number), a, b, c, d, 0n) ?? -1;
}

// Looked up once: a zygote's children must not have to.
const RESTRICT_SELF = BigInt(
  systemCalls(Deno.build.arch).get("landlock_restrict_self")!,
);

/**
 * Makes a set of rules, for {@linkcode enterDomain}; call it while FFI permission still stands. Returns a descriptor,
 * close-on-exec, the caller's to close. Throws `PosixError`: EOPNOTSUPP when Landlock is switched off, ENOSYS when
 * there is none.
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
  const attributes = structureOf(handled, ports, scoped);
  const size = known < 4 ? 8n : known < 6 ? 16n : 24n;
  const number = call(
    "landlock_create_ruleset",
    attributes,
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
  const rule = structureOf(allowed, file.number);
  if (allowed !== 0) addRule(ruleset, L.RULE_PATH_BENEATH, rule);
  return true;
}

function allowPort(ruleset: Fd, port: number, right: number): void {
  // struct landlock_net_port_attr {u64 allowed_access, port}
  addRule(ruleset, L.RULE_NET_PORT, structureOf(right, port));
}

function addRule(ruleset: Fd, type: number, rule: bigint): void {
  const result = call(
    "landlock_add_rule",
    BigInt(ruleset.number),
    BigInt(type),
    rule,
    0n,
  );
  check(result, "landlock_add_rule");
}

/**
 * Encloses this process for good; what it forks or starts, too. It gets no new privileges any more, as anyone but
 * root must give them up before (prctl(2) PR_SET_NO_NEW_PRIVS). `ruleset`: from {@linkcode makeRuleset}, borrowed.
 * `before`: what each thread calls then, before it is enclosed: to have them all do something takes as long as a file.
 * Throws `PosixError`: E2BIG after sixteen of them. Throws `TypeError` when a thread does not answer: then this
 * process is enclosed in part.
 */
export function enterDomain(
  ruleset: Fd,
  { threads = false, before = [] }: {
    threads?: boolean;
    before?: Parameters<typeof onEveryThread>[1];
  } = {},
): void {
  const atOnce = threads && landlockVersion() >= 8;
  const flags = BigInt(atOnce ? L.RESTRICT_SELF_TSYNC : 0);
  const args = [BigInt(ruleset.number), flags];
  const restrict = { call: "landlock_restrict_self", args };
  // It is a thread's own, too, and the others may have been there before.
  const noNewPrivileges = {
    call: "prctl",
    args: [PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n],
  };
  const calls = [...before, noNewPrivileges, restrict];
  const ofOthers = atOnce ? before : calls;
  onEveryThread(threads && ofOthers.length > 0 ? ofOthers : null, calls);
}

/** Keeps a zygote's children apart, whose domain is the zygote's: none can signal another, or the zygote. */
export class DomainFence implements Fence {
  readonly #made = makeRuleset(ALL_BUT_OTHERS);
  #ruleset: Fd | null = null;

  arm(): void {
    this.#ruleset = this.#made;
  }

  disarm(): boolean {
    const wasArmed = this.#ruleset !== null;
    this.#ruleset = null;
    return wasArmed;
  }

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
