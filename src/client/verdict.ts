/**
 * Whether a conversation went well.
 *
 * @module
 */
import type { WriterReport } from "./writer_reports.ts";

/** How a conversation ended. */
export interface Conversation {
  /** The last word of whoever sent. */
  readonly report: WriterReport;
  /** Bytes that came from the server. */
  readonly received: number;
  /** Why reading failed; null when the server ended its side. */
  readonly failure: string | null;
  /** Whether bytes were only copied, so that nothing is known of what should have come back. */
  readonly raw: boolean;
  /** Milliseconds without a byte either way after which the client gave up; undefined if it did not. */
  readonly idle?: number | undefined;
}

/**
 * Judges a conversation. After a half-close the server has the last word. Where the sending side was left
 * open at the end of the input, time may have it, too. A server that hangs up
 * before it did well when it sent back all that it got; nobody can know that of a raw copy, where
 * only bytes that were taken from the input and not sent are wrong.
 *
 * @returns What to tell the person; null when it went well.
 */
export function verdict(
  { report, received, failure, raw, idle }: Conversation,
): string | null {
  const total = report.sent + report.unsent;
  if (report.kind === "input-failed") {
    return `Cannot read standard input: ${report.text}`;
  }
  const reason = failure ??
    (report.kind === "socket-failed" ? report.text : null);
  if (reason !== null) {
    return `Lost the connection: ${reason}` +
      (raw ? "" : `: ${received} of ${total} bytes came back`);
  }
  if (report.kind === "input-ended") return null;
  if (idle !== undefined) {
    return `Gave up: nothing came or went for ${idle / 1000}s`;
  }
  if (report.kind === "half-closed") return null;
  if (raw) {
    return report.unsent === 0
      ? null
      : `Server closed the connection: ${report.unsent} bytes were not sent`;
  }
  if (received >= total) return null;
  return `Server closed the connection: ${received} of ${total} bytes came back`;
}
