/**
 * The wire between the reading parent and its writing process.
 *
 * 1. They share one channel, a pair of Unix domain sockets that keeps message boundaries. Where the
 *    system has no such pairs it is a stream, so records have one size in each direction:
 *    {@linkcode SOCKET_SIZE} down, {@linkcode WRITER_REPORT_SIZE} up. Both ends are the same machine and the
 *    same program: numbers are little-endian, counts are IEEE doubles (exact to 2^53).
 * 2. Every record starts with a tag that says «ours», and a kind.
 * 3. Down, one record, once: `socket`, with the connection's descriptor as ancillary data, whether
 *    the end of the input leaves the sending side open, and whether no line ends it. The writer does not touch its input before.
 * 4. Up, any number of `progress` with the bytes sent so far. One is left out when the channel is
 *    not half empty: totals only grow, so the next one says as much, and the last report always has room.
 * 5. Up, one last report, and then the writer exits. `half-closed`: the input ended, or a quit line
 *    came, and the writer has shut down its side of the connection. `input-ended`: the input ended, and
 *    the sending side was to stay open. `stopped`: see 6. `hung-up`: the
 *    system takes no more bytes for this connection. `socket-failed` and `input-failed`: with the
 *    reason. `unsent` counts bytes that were taken from the input and went nowhere.
 * 6. End of file on the channel, because the parent ends its side or is gone, ends the writer at
 *    once, whatever it waits for.
 *
 * @module
 */

/** Bytes of a record from parent to writer. */
export const SOCKET_SIZE = 12;
/** Bytes of a record from writer to parent. */
export const WRITER_REPORT_SIZE = 256;

const TAG = 0x4350504d; // "MPPC"
const KIND_SOCKET = 1;
const TEXT_AT = 28;

const KINDS = [
  "progress",
  "half-closed",
  "input-ended",
  "stopped",
  "hung-up",
  "socket-failed",
  "input-failed",
] as const;

export type WriterReportKind = typeof KINDS[number];

export interface WriterReport {
  readonly kind: WriterReportKind;
  /** Bytes that the system has taken for the connection, in total. */
  readonly sent: number;
  /** Bytes that were read from the input and will not be sent. */
  readonly unsent: number;
  /** Why it failed; empty when it did not. At most 228 bytes of UTF-8 travel. */
  readonly text: string;
}

const reportRecord = new DataView(new ArrayBuffer(WRITER_REPORT_SIZE));

/** The order that the writer receives with the socket. */
export interface Order {
  /** Whether the end of the input leaves the sending side open; a quit line ends it all the same. */
  readonly noShutdown?: boolean | undefined;
  /** Whether no line is a word to end. */
  readonly raw: boolean;
}

const NO_SHUTDOWN = 1;
const RAW = 2;

/** Writes the record that goes with the socket. Returns {@linkcode SOCKET_SIZE} bytes. */
export function encodeSocket(
  { noShutdown, raw }: Order,
): Uint8Array<ArrayBuffer> {
  const record = new DataView(new ArrayBuffer(SOCKET_SIZE));
  record.setUint32(0, TAG, true);
  record.setUint32(4, KIND_SOCKET, true);
  record.setUint32(8, (noShutdown ? NO_SHUTDOWN : 0) | (raw ? RAW : 0), true);
  return new Uint8Array(record.buffer);
}

/**
 * Reads the record that goes with the socket. Returns what the writer is told; null when it is not ours, or not whole.
 */
export function decodeSocket(record: DataView): Order | null {
  const isOurs = record.byteLength === SOCKET_SIZE &&
    record.getUint32(0, true) === TAG &&
    record.getUint32(4, true) === KIND_SOCKET;
  if (!isOurs) return null;
  const flags = record.getUint32(8, true);
  return { noShutdown: !!(flags & NO_SHUTDOWN), raw: !!(flags & RAW) };
}

/** Writes a report. Returns {@linkcode WRITER_REPORT_SIZE} bytes, valid until the next call. */
export function encodeWriterReport(
  report: WriterReport,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(reportRecord.buffer);
  reportRecord.setUint32(0, TAG, true);
  reportRecord.setUint32(4, KINDS.indexOf(report.kind), true);
  reportRecord.setFloat64(8, report.sent, true);
  reportRecord.setFloat64(16, report.unsent, true);
  const { written } = new TextEncoder().encodeInto(
    report.text,
    bytes.subarray(TEXT_AT),
  );
  reportRecord.setUint32(24, written, true);
  return bytes;
}

/** Reads a report. Throws `TypeError` when it is not one of ours. */
export function decodeWriterReport(
  record: DataView<ArrayBuffer>,
): WriterReport {
  const ours = record.byteLength === WRITER_REPORT_SIZE &&
    record.getUint32(0, true) === TAG;
  const kind = ours ? KINDS[record.getUint32(4, true)] : undefined;
  const length = ours ? record.getUint32(24, true) : 0;
  if (kind === undefined || length > WRITER_REPORT_SIZE - TEXT_AT) {
    throw new TypeError(
      `Cannot read a report of ${record.byteLength} bytes: not one of ours`,
    );
  }
  const start = record.byteOffset + TEXT_AT;
  return {
    kind,
    sent: record.getFloat64(8, true),
    unsent: record.getFloat64(16, true),
    text: new TextDecoder().decode(record.buffer.slice(start, start + length)),
  };
}
