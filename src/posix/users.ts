/**
 * Users and groups by name, and becoming another user.
 *
 * @module
 */
import { check, errno, PosixError } from "./errno.ts";
import { cLibrary } from "./libc.ts";
import { readProcFile } from "./proc.ts";

const libc = cLibrary(
  "geteuid",
  "getgrnam",
  "getgrouplist",
  "getpwnam",
  "getpwuid",
  "setgid",
  "setgroups",
  "setuid",
);

/** The user and groups of a process. */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** Every group that it belongs to. */
  readonly groups: readonly number[];
}

/** An entry of the user database. */
interface UserEntry {
  readonly name: string;
  readonly uid: number;
  /** The user's own group. */
  readonly gid: number;
  readonly home: string;
}

// struct passwd {char *pw_name, *pw_passwd; uid_t pw_uid; gid_t pw_gid; …}, the same on both systems;
// then Linux: char *pw_gecos, *pw_dir; macOS: time_t pw_change; char *pw_class, *pw_gecos, *pw_dir
const PASSWD = {
  name: 0,
  uid: 16,
  gid: 20,
  home: Deno.build.os === "linux" ? 32 : 48,
};
// struct group {char *gr_name, *gr_passwd; gid_t gr_gid; …}
const GROUP = { gid: 16 };
const MOST_GROUPS = 65536; // NGROUPS_MAX, linux/limits.h
const encoder = new TextEncoder();

/** A user by name, or by number: `getpwnam(3)`, `getpwuid(3)`. Returns the entry; null when the database has none. */
export function findUser(user: string | number): UserEntry | null {
  const entry = typeof user === "number"
    ? libc.getpwuid(user)
    : libc.getpwnam(encoder.encode(user + "\0"));
  if (entry === null) return null;
  // Safety: libc's own entry, valid until the next look-up; everything is copied out of it here.
  const view = new Deno.UnsafePointerView(entry);
  const text = (at: number) => {
    const pointer = view.getPointer(at);
    return pointer === null ? "" : Deno.UnsafePointerView.getCString(pointer);
  };
  return {
    name: text(PASSWD.name),
    uid: view.getUint32(PASSWD.uid),
    gid: view.getUint32(PASSWD.gid),
    home: text(PASSWD.home),
  };
}

/** A group's id by its name: `getgrnam(3)`. Returns the id; null when the database has no such group. */
export function findGroup(name: string): number | null {
  const entry = libc.getgrnam(encoder.encode(name + "\0"));
  // Safety: as above.
  return entry === null
    ? null
    : new Deno.UnsafePointerView(entry).getUint32(GROUP.gid);
}

/** The groups that a user belongs to: `getgrouplist(3)`. */
export function groupsOf(name: string, gid: number): number[] {
  const found = new Uint32Array(MOST_GROUPS);
  const count = new Int32Array([MOST_GROUPS]);
  libc.getgrouplist(
    encoder.encode(name + "\0"),
    gid,
    new Uint8Array(found.buffer),
    new Uint8Array(count.buffer),
  );
  return [...found.subarray(0, count[0])];
}

/** The capabilities that only root has (capabilities(7)), by their bits: linux/capability.h. */
const CAPABILITIES = {
  dac_read_search: 2,
  setgid: 6,
  setuid: 7,
  setpcap: 8,
  sys_nice: 23,
  sys_resource: 24,
} as const;
type Capability = keyof typeof CAPABILITIES;

/**
 * Whether this process may do what only root may (capabilities(7)): root in a container often may not, and others may
 * have been let. Returns whether it may; where there are no capabilities, whether it is root.
 */
export function hasCapability(capability: Capability): boolean {
  if (Deno.build.os !== "linux") return isRoot();
  const status = readProcFile("/proc/self/status");
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  const bit = BigInt(CAPABILITIES[capability]);
  return (BigInt("0x" + effective) >> bit & 1n) === 1n;
}

/** As whom this process acts: `geteuid(2)`. */
export function effectiveUser(): number {
  return libc.geteuid();
}

/** Whether this process acts as root. Returns true for user id 0. */
export function isRoot(): boolean {
  return effectiveUser() === 0;
}

/**
 * Becomes another user for good, with that user's groups alone: `setgroups(2)`, `setgid(2)`, `setuid(2)`. Throws
 * `PosixError`: EPERM when this is not root.
 */
export function becomeUser({ uid, gid, groups }: User): void {
  const list = new Uint8Array(Uint32Array.from(groups).buffer);
  check(libc.setgroups(groups.length, list), "setgroups");
  check(libc.setgid(gid), "setgid");
  check(libc.setuid(uid), "setuid");
  // There must be no way back.
  if (uid !== 0 && libc.setuid(0) === 0) {
    throw new PosixError("setuid", errno());
  }
}
