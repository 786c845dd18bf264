/**
 * How sending ends.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { shutdownWrite } from "../posix/net/sockets.ts";
import { reasonOf } from "../posix/reason.ts";
import type { WriterReportKind } from "./writer_reports.ts";

/** Why sending is over, and the reason where something failed. */
export type Ending = readonly [
  kind: Exclude<WriterReportKind, "progress">,
  text?: string,
];

/**
 * Ends this side of a connection.
 *
 * @returns That it is half-closed, or why it could not be.
 */
export function halfClose(socket: number): Ending {
  try {
    shutdownWrite(socket);
    return ["half-closed"];
  } catch (error) {
    return socketFailure(error);
  }
}

/** What the end of the input means for a connection. */
export function endOfInput(socket: number, noShutdown: boolean): Ending {
  return noShutdown ? ["input-ended"] : halfClose(socket);
}

/**
 * What an error of the socket means for sending. A server that hung up is no failure by itself:
 * whoever reads the connection sees its end as well, and judges.
 */
export function socketFailure(error: unknown): Ending {
  const hungUp = error instanceof PosixError &&
    ["EPIPE", "ENOTCONN"].includes(error.code);
  return hungUp ? ["hung-up"] : ["socket-failed", reasonOf(error)];
}
