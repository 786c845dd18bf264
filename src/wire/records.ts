/**
 * The wire between the parent and its connection processes.
 *
 * 1. Parent and child share one channel, a pair of Unix domain sockets that keeps message
 *    boundaries. Where the system has no such pairs it is a stream, so records have one size in each
 *    direction: {@linkcode HANDOVER_SIZE} down, {@linkcode REPORT_SIZE} up. Both ends are the same
 *    machine and the same program: numbers are little-endian, counts are IEEE doubles (exact to 2^53).
 * 2. Every record starts with a tag that says «ours», and a kind.
 * 3. Down, first and once, one byte with a file that holds the options (`child_options.ts`). Then records, each with a
 *    descriptor as ancillary data: `connection`, with the connection's id, the
 *    peer's `struct sockaddr` and a secret of 128 bits; to a zygote also `worker`, whose descriptor is the
 *    channel of a process that serves one connection after another, with an id of its own, or
 *    `rewinder`, the same for one that rewinds its memory; to a `rewinder`, once it has said that it marks its
 *    memory, `file`: what it needs for that, the id says which of {@linkcode MEMORY_FILES}.
 * 4. Up, from the process that serves: `step`, while it starts, with what it does; from a spawned process it
 *    brings the sandbox to listen to, if there is one. `ready`, when it waits for work. `took`, before it reads the
 *    first byte: from here on the connection is the child's, and the parent closes its copy. `done`,
 *    when the service has ended, with the bytes that went through and why it ended. `took` and `done` bear
 *    the connection's secret: who does not know it does not speak for the connection. Who sent them, the
 *    kernel says. They also say when, on the clock that all processes have in common: when it was taken, and when
 *    the zygote began to fork for it; when the service ended, and when the client had ended its side.
 * 5. Up, from a zygote, over its own channel, which no child of it has: `step`, also after `ready`; `ready`; `exited`, with a child's
 *    pid, wait status and id; `failed`, when it could not fork for that id, or, before `ready`, cannot
 *    fork at all; and `took` for a program that it started, with the program's pid.
 * 6. A child that goes away without `took` has not touched the connection: the parent gives it to
 *    another child. One that goes away between `took` and `done` was killed; but where the service is
 *    a program, the child becomes it after `took`, no `done` follows unless that fails, and the
 *    program's exit is how the connection ended.
 * 7. The children of a zygote report over one socket, which they share. A forked child says `took`
 *    before it closes its copy of the zygote's channel: when the parent reads end of file there, no child
 *    of that zygote is left that could still take a connection.
 * 8. End of file on the channel tells a child without a connection that the parent is gone, or wants
 *    no more of it: it exits. A child that serves finishes first; a zygote stays until its children
 *    have ended, unless the parent is gone altogether.
 *
 * @module
 */
import { scratch, viewOf } from "../posix/abi.ts";
import {
  encodeInto,
  indexOf,
  TypeError,
  Uint8Array,
} from "../posix/intrinsics.ts";

/** Bytes of a record from parent to child. */
export const HANDOVER_SIZE = 176;
/** Bytes of a record from child to parent. */
export const REPORT_SIZE = 496;
/** Bytes of a connection's secret. */
export const SECRET_SIZE = 16;

const TAG = 0x5653504d; // "MPSV"
const REPORT_SECRET_AT = 48;
const TIMES_AT = REPORT_SECRET_AT + SECRET_SIZE;
const TEXT_AT = TIMES_AT + 16;
const PEER_AT = 20;
const HANDOVER_SECRET_AT = HANDOVER_SIZE - SECRET_SIZE;
/** The secret of reports that need no proof. All reports have the same size, for which the code is optimized. */
export const NO_SECRET: Uint8Array<ArrayBuffer> = new Uint8Array(SECRET_SIZE);

/** The kinds of descriptor that a parent sends. */
const HANDOVER_KINDS = [
  "connection",
  "worker",
  "rewinder",
  "file",
] as const;

/** The kinds of report of a child. */
const KINDS = [
  "ready",
  "took",
  "done",
  "exited",
  "failed",
  "step",
] as const;

/** Steps of a process that mean something to the parent. */
export const STEPS = {
  /** Runs the person's module: if it never ends here, it never ends in another process either. */
  loading: "loading the module",
  /** A worker marks its memory, which is rewound from then on: it waits for files. */
  marking: "marking its memory",
  /** A zygote has been ready, and now has time for something else than forking. */
  idle: "idle",
  /** A zygote that was at work already when it rehearsed: all of it is over. */
  warm: "warm",
} as const;

/** Why a process cannot serve; what travels is its place here. */
export const FAILURES = [
  /** The system refuses, or the process is not fit for it. */
  "system",
  /** The person's module cannot be used: no other process could. */
  "handler",
  /** The sandbox that was asked for cannot be had. */
  "sandbox",
  /** The machine was too slow at this moment: later it may do. */
  "slow",
] as const;

/**
 * What a worker needs to mark its memory, in the order in which it comes; the last is always there, others
 * may be missing. Of `/proc`, but for the last.
 */
export const MEMORY_FILES = [
  ...["pagemap", "statm", "maps", "stat", "task"],
  /** What its event loop waits for (`fdinfo`). */
  "events",
  /** Its working directory. */
  "cwd",
  /** An empty nameless file, for what memory was. */
  "image",
] as const;

/** Where a report's {@linkcode Report.status} is: whoever rewinds writes it when it is done. */
export const REPORT_STATUS_AT = 40;

/**
 * How the memory of a worker that said `done` was rewound; what travels is its place here, as
 * `machine_code/rewind.h` counts. All but the first two end the worker.
 */
export const REWINDING = [
  /** It does not rewind. */
  "",
  /** It is what it was. */
  "rewound",
  "a file of /proc could not be read",
  "its memory could not be looked through (PAGEMAP_SCAN, Linux 6.7)",
  "its threads could not be ended",
  "a mapping of its memory is gone",
  "too much of its memory was written to",
  "a descriptor was closed or replaced",
  "its event loop waits for something else",
  "a signal is pending",
  "a process that it started runs on",
  "its priority was changed",
  "its memory differs (MPSERV_REWIND_CHECK)",
] as const;
/** Its first connection has not come: exit codes from here on are places in {@linkcode REWINDING}. */
export const EXIT_REASONS = 64;

export type Failure = typeof FAILURES[number];

/** Every reason of a connection's end, with its meaning; a report has its place in this list. */
export const REASONS = [
  /** The service ended by itself: for echo, at the client's half-close. */
  "closed",
  /** The client reset the connection, or was gone when bytes were sent to it. */
  "reset",
  /** Nothing moved for the idle time-out. */
  "idle",
  /** The service or the system failed; the text says how. */
  "error",
  /** The process ended without a report: it was killed. */
  "killed",
  /** The program that served ended with a code that is not 0, or by a signal; the text says which. */
  "program",
  /** The client did not send its first byte in time. */
  "first-byte",
  /** It was served for as long as a connection may be. */
  "lifetime",
  /** A person dropped it. */
  "dropped",
] as const;

/** Why a connection ended. */
export type Reason = typeof REASONS[number];

/** The text with `closed` if a handler returned while a read or write was pending. */
export const UNFINISHED = "unfinished";

/** How a connection ended. */
export interface Outcome {
  /** Bytes from the client; null if they are unknown. */
  readonly bytesIn: number | null;
  /** Bytes to the client; null if they are unknown. */
  readonly bytesOut: number | null;
  readonly reason: Reason;
  /** More about the reason; may be empty, at most 200 bytes of UTF-8 travel. */
  readonly text: string;
}

/** The time of an event in another process: microseconds of `monotonic()`; 0 if it is unknown. */
export interface When {
  readonly at: number;
  /** The time of its cause: for `took` the start of the fork, for `done` the client's half-close. */
  readonly since: number;
}

/** The time is unknown. */
export const UNTIMED: When = { at: 0, since: 0 };

export interface Report extends When {
  readonly kind: typeof KINDS[number];
  /** Which connection, or which worker of a zygote; 0 for none. */
  readonly id: number;
  /** The process, in `exited` and in a zygote's `took`; 0 elsewhere. */
  readonly pid: number;
  /** How the connection ended, in `done`; the text says what in `failed` and `step`; null elsewhere. */
  readonly outcome: Outcome | null;
  /** The wait status (`waitpid(2)`) in `exited`; a place in {@linkcode FAILURES} in `failed`, in
   * {@linkcode REWINDING} in `done`; 0 elsewhere. */
  readonly status: number;
  /** The connection's secret, in a child's `took` and `done`; {@linkcode NO_SECRET} elsewhere. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** A descriptor on its way to a child. */
export interface Handover {
  readonly kind: typeof HANDOVER_KINDS[number];
  /** The connection's id, or the worker's. */
  readonly id: number;
  /** The peer's `struct sockaddr`; empty for a worker. */
  readonly peer: Uint8Array<ArrayBuffer>;
  /** The secret for its process: {@linkcode SECRET_SIZE} bytes. Zeros for a worker. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

const handoverBytes = scratch(HANDOVER_SIZE);
const handoverRecord = viewOf(handoverBytes);
const reportBytes = scratch(REPORT_SIZE);
const reportRecord = viewOf(reportBytes);
const reportText = reportBytes.subarray(TEXT_AT);

/**
 * Writes the record that goes with a connection. Returns {@linkcode HANDOVER_SIZE} bytes, valid until the next call.
 */
export function encodeHandover(handover: Handover): Uint8Array<ArrayBuffer> {
  handoverRecord.setUint32(0, TAG, true);
  handoverRecord.setUint32(4, indexOf(HANDOVER_KINDS, handover.kind), true);
  handoverRecord.setFloat64(8, handover.id, true);
  handoverRecord.setUint32(16, handover.peer.length, true);
  handoverBytes.set(handover.peer, PEER_AT);
  handoverBytes.set(handover.secret, HANDOVER_SECRET_AT);
  return handoverBytes;
}

/**
 * Reads the record that came with a connection. Returns the connection; its peer and secret are parts of the record,
 * and valid as long as that. Throws `TypeError` when it is not one of ours.
 */
export function decodeHandover(record: DataView<ArrayBuffer>): Handover {
  const ours = record.byteLength === HANDOVER_SIZE &&
    record.getUint32(0, true) === TAG;
  const kind = ours ? HANDOVER_KINDS[record.getUint32(4, true)] : undefined;
  const length = ours ? record.getUint32(16, true) : Infinity;
  if (!kind || length > HANDOVER_SECRET_AT - PEER_AT) {
    throw new TypeError(
      `Cannot read a handover of ${record.byteLength} bytes: not one of ours`,
    );
  }
  const start = record.byteOffset + PEER_AT;
  const peer = new Uint8Array(record.buffer, start, length);
  const secret = bytesAt(record, HANDOVER_SECRET_AT);
  return { kind, id: record.getFloat64(8, true), peer, secret };
}

/** Writes a report. Returns {@linkcode REPORT_SIZE} bytes, valid until the next call. */
export function encodeReport(report: Report): Uint8Array<ArrayBuffer> {
  const { kind, id, pid, outcome, status, secret, at, since } = report;
  reportRecord.setUint32(0, TAG, true);
  reportRecord.setUint32(4, indexOf(KINDS, kind), true);
  reportRecord.setFloat64(8, id, true);
  reportRecord.setFloat64(16, outcome?.bytesIn ?? 0, true);
  reportRecord.setFloat64(24, outcome?.bytesOut ?? 0, true);
  reportRecord.setUint32(
    32,
    outcome ? indexOf(REASONS, outcome.reason) : 0,
    true,
  );
  const { written } = outcome?.text
    ? encodeInto(outcome.text, reportText)
    : { written: 0 };
  reportRecord.setUint32(36, written, true);
  reportRecord.setInt32(REPORT_STATUS_AT, status, true);
  reportRecord.setInt32(44, pid, true);
  reportBytes.set(secret, REPORT_SECRET_AT);
  reportRecord.setFloat64(TIMES_AT, at, true);
  reportRecord.setFloat64(TIMES_AT + 8, since, true);
  return reportBytes;
}

/**
 * Reads a report. It comes from a process that may have been broken into: nothing in it is believed beyond its form.
 * Returns the report, whose secret is a part of the record; null when it is not one of ours.
 */
export function decodeReport(record: DataView<ArrayBuffer>): Report | null {
  if (record.byteLength !== REPORT_SIZE || record.getUint32(0, true) !== TAG) {
    return null;
  }
  const kind = KINDS[record.getUint32(4, true)];
  const reason = REASONS[record.getUint32(32, true)];
  const length = record.getUint32(36, true);
  if (!kind || !reason || length > REPORT_SIZE - TEXT_AT) return null;
  const start = record.byteOffset + TEXT_AT;
  const outcome = !["done", "failed", "step"].includes(kind) ? null : {
    bytesIn: countAt(record, 16),
    bytesOut: countAt(record, 24),
    reason,
    text: length === 0
      ? ""
      : new TextDecoder().decode(record.buffer.slice(start, start + length)),
  };
  const status = record.getInt32(REPORT_STATUS_AT, true);
  const pid = record.getInt32(44, true);
  const secret = bytesAt(record, REPORT_SECRET_AT);
  const id = countAt(record, 8);
  const at = timeAt(record, TIMES_AT), since = timeAt(record, TIMES_AT + 8);
  return { kind, id, pid, outcome, status, secret, at, since };
}

/** Whether two secrets are the same, in a time that does not tell where they differ. */
export function sameSecret(
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
): boolean {
  let difference = a.length ^ b.length ^ (a.length === 0 ? 1 : 0);
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

function bytesAt(
  { buffer, byteOffset }: DataView<ArrayBuffer>,
  at: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset + at, SECRET_SIZE);
}

/** A time from a process that may lie: never negative, never NaN, and no larger than can be counted. */
function timeAt(record: DataView, at: number): number {
  const time = record.getFloat64(at, true);
  return time >= 0 && time <= Number.MAX_SAFE_INTEGER ? time : 0;
}

/** A count from a process that may lie: never negative, never NaN. */
function countAt(record: DataView, at: number): number {
  const count = record.getFloat64(at, true);
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
}

/** So many are drawn at a time. */
const POOL = 256;
const pool = new Uint8Array(POOL * SECRET_SIZE);
let used = pool.length;

/** Draws one. Returns random bytes. */
export function newSecret(): Uint8Array<ArrayBuffer> {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool.slice(used, used += SECRET_SIZE);
}
