/**
 * Reading /proc of this process by descriptor: since Deno 2.9 its file functions ask for every
 * permission there is before they touch /proc (proc(5), Linux).
 *
 * Bytes as text: arguments, variables and paths are bytes to the system, and need not be UTF-8. A byte that
 * is not stands as a lone surrogate, U+DC80 and up, which no UTF-8 is decoded to; so does Python (PEP 383).
 * JSON keeps such text as it is.
 *
 * @module
 */
import { check } from "./errno.ts";
import { Fd } from "./fd.ts";
import { decode, encode, SafeBytes } from "./intrinsics.ts";
import { read } from "./io.ts";
import { cLibrary } from "./libc.ts";

// A byte order mark is a part of the text like any other.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const HELD = 0xdc00;
const LONGEST = 4;

/** Decodes any bytes. `bytes`: the bytes. Returns text, from which {@linkcode encodeBytes} makes the same bytes. */
export function decodeBytes(bytes: Uint8Array): string {
  const whole = asUtf8(bytes);
  if (whole !== null) return whole;
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const next = characterAt(bytes, at);
    text += next ?? String.fromCharCode(HELD + bytes[at]!);
    at += next === null ? 1 : encoder.encode(next).length;
  }
  return text;
}

export function encodeBytes(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return encoder.encode(text);
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code >= HELD + 0x80 && code <= HELD + 0xff) bytes.push(code - HELD);
    else bytes.push(...encoder.encode(character));
  }
  return new Uint8Array(bytes);
}

/** The one character that starts there; null where none does. */
function characterAt(bytes: Uint8Array, at: number): string | null {
  for (let length = 1; length <= LONGEST; length++) {
    if (at + length > bytes.length) return null;
    const character = asUtf8(bytes.subarray(at, at + length));
    if (character !== null) return character;
  }
  return null;
}

function asUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

const libc = cLibrary("getdents64", "open", "readlink");

const O_RDONLY_CLOEXEC = 0o2000000;

/** The text of a file under /proc. `path`: such as `/proc/self/smaps`. Throws `PosixError` when it cannot be read. */
export function readProcFile(path: string): string {
  return decode(readProcBytes(path));
}

/**
 * The strings of a file under /proc in which each ends with NUL. `path`: such as `/proc/self/environ`. Returns the
 * strings, whatever their bytes: see {@linkcode decodeBytes}. Throws `PosixError` when it cannot be read.
 */
export function readProcStrings(path: string): string[] {
  const bytes = readProcBytes(path);
  const strings: string[] = [];
  for (let at = 0, end; (end = bytes.indexOf(0, at)) >= 0; at = end + 1) {
    strings.push(decodeBytes(bytes.subarray(at, end)));
  }
  return strings;
}

function readProcBytes(path: string): Uint8Array<ArrayBuffer> {
  using file = openProcFile(path);
  let bytes = new SafeBytes(4 * 1024);
  let length = 0;
  for (let count; (count = read(file.number, bytes.subarray(length))) > 0;) {
    length += count;
    if (length < bytes.length) continue;
    const longer = new SafeBytes(2 * length);
    longer.set(bytes);
    bytes = longer;
  }
  return bytes.subarray(0, length);
}

/**
 * The names in a directory under /proc. `path`: such as `/proc/self/task`. Throws `PosixError` when it cannot be
 * read. Throws `TypeError` when the C library is older than glibc 2.30.
 */
export function listProcDirectory(path: string): string[] {
  const { getdents64 } = libc;
  if (!getdents64) {
    throw new TypeError("Cannot list /proc: the C library has no getdents64");
  }
  using directory = openProcFile(path);
  const names: string[] = [];
  const entries = new Uint8Array(32 * 1024);
  const view = new DataView(entries.buffer);
  // struct linux_dirent64 {u64 d_ino; s64 d_off; u16 d_reclen; u8 d_type; char d_name[]}
  const [lengthAt, nameAt] = [16, 19];
  for (;;) {
    const count = check(
      getdents64(directory.number, entries, entries.length),
      "getdents64",
    );
    if (count === 0) {
      return names.filter((name) => name !== "." && name !== "..");
    }
    for (let at = 0; at < count; at += view.getUint16(at + lengthAt, true)) {
      const end = entries.indexOf(0, at + nameAt);
      names.push(decode(entries.subarray(at + nameAt, end)));
    }
  }
}

/** A process, as far as it is asked for here. */
interface ProcessStat {
  /** As the system shows it: what runs in it may have chosen it. */
  readonly name: string;
  /** `R`, `S`, `D`, `T` for one that is stopped, `Z` for one that has ended and was not reaped, … */
  readonly state: string;
  readonly parent: number;
  /** Its process group. */
  readonly group: number;
  /** Whether it is about to end, and closes what it has. */
  readonly isEnding: boolean;
  /** The processor time that it has used, in {@linkcode TICKS}. */
  readonly ticks: number;
}

/** How many ticks of processor time make a second: `sysconf(_SC_CLK_TCK)` is 100 wherever Deno runs. */
export const TICKS = 100;

const PF_EXITING = 4; // linux/sched.h

/** Where a process stands, proc_pid_stat(5). Returns that; null when it has gone. */
export function processStat(pid: number): ProcessStat | null {
  try {
    const stat = readProcFile(`/proc/${pid}/stat`);
    // pid (comm) state ppid pgrp session tty_nr tpgid flags …; comm may hold anything, blanks and brackets too
    const close = stat.lastIndexOf(")");
    const fields = stat.slice(close + 2).split(" ", 13);
    const [state = "", parent, group, , , , flags, , , , , user, system] =
      fields;
    return {
      name: stat.slice(stat.indexOf("(") + 1, close),
      state,
      parent: Number(parent),
      group: Number(group),
      isEnding: (Number(flags) & PF_EXITING) !== 0,
      ticks: Number(user) + Number(system),
    };
  } catch {
    return null;
  }
}

/**
 * For how long a process's first thread has waited for a processor, in seconds: Documentation/scheduler/sched-stats.rst.
 * 0 where the system does not say, or the process has gone.
 */
export function processorWait(pid: number): number {
  try {
    return Number(readProcFile(`/proc/${pid}/schedstat`).split(" ")[1]) / 1e9;
  } catch {
    return 0;
  }
}

/** The unreaped children of a process's first thread, proc_tid_children(5). */
export function childrenOf(pid: number): number[] {
  return childrenOfThread(pid, pid);
}

/** All unreaped children of a process, also inherited ones. */
export function allChildrenOf(pid: number): number[] {
  try {
    return listProcDirectory(`/proc/${pid}/task`).flatMap((thread) =>
      childrenOfThread(pid, thread)
    );
  } catch {
    return [];
  }
}

function childrenOfThread(pid: number, thread: number | string): number[] {
  try {
    const list = readProcFile(`/proc/${pid}/task/${thread}/children`).trim();
    return list === "" ? [] : list.split(" ").map(Number);
  } catch {
    return [];
  }
}

/**
 * The target of a descriptor, from `/proc/PID/fd`. `pid`: whose; this process's unless said otherwise. For example
 * `socket:[123]`, `anon_inode:[eventpoll]`, a path; null when it is not open, or may not be seen.
 */
export function descriptorTarget(
  fd: number | string,
  pid: number | "self" = "self",
): string | null {
  return readProcLink(`/proc/${pid}/fd/${fd}`);
}

/**
 * The target of a link under /proc. `path`: such as `/proc/self/cwd`. Returns that; null when it is not there, or may
 * not be seen.
 */
export function readProcLink(path: string): string | null {
  const target = new Uint8Array(4096);
  const length = libc.readlink(
    encode(path + "\0"),
    target,
    target.length,
  );
  return length < 0 ? null : decode(target.subarray(0, length));
}

/**
 * Opens a file or a directory under /proc, to be read. Returns it, close-on-exec; the caller's to close. Throws
 * `PosixError` when it cannot be opened.
 */
export function openProcFile(path: string): Fd {
  return new Fd(
    check(libc.open(encode(path + "\0"), O_RDONLY_CLOEXEC), "open"),
  );
}
