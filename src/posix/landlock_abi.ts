/**
 * Landlock's numbers, and what this kernel knows of it.
 *
 * @module
 */
import { cLibrary } from "./libc.ts";
import { systemCalls } from "./seccomp/system_call_numbers.ts";

const libc = cLibrary("systemCall");

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
const VERSION_ALONE = BigInt(LANDLOCK.CREATE_RULESET_VERSION);
const CREATE_RULESET = BigInt(
  systemCalls(Deno.build.arch).get("landlock_create_ruleset")!,
);

let version: number | undefined;

/** The version of Landlock in this kernel. Returns its version; 0 where there is none, or it is refused. */
export function landlockVersion(): number {
  if (Deno.build.os !== "linux") return 0;
  version ??= Math.max(
    0,
    libc.systemCall?.(CREATE_RULESET, 0n, 0n, VERSION_ALONE, 0n, 0n) ?? -1,
  );
  return version;
}

/** The things that Landlock can restrict, by its version. */
const LOCKS: readonly (readonly [version: number, kernel: string, string])[] = [
  [1, "5.13", "files"],
  [3, "6.2", "the length of files"],
  [4, "6.7", "TCP ports"],
  [6, "6.12", "signals and abstract sockets"],
];

/** Which locks are missing here. Returns a part of a sentence for the log; null when all are there. */
export function missingLocks(known = landlockVersion()): string | null {
  const missing = LOCKS.filter(([since]) => known < since);
  if (missing.length === 0) return null;
  const names = missing.map(([, kernel, what]) => `${what} (Linux ${kernel})`);
  return `this kernel cannot restrict ${names.join(", ")}`;
}
