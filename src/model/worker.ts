/**
 * One process with a channel of its own, as the parent knows it.
 *
 * @module
 */
import { encodeHandover } from "../child/wire.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { sendFd } from "../posix/handover.ts";
import type { Handoff } from "./model.ts";
import type { WorkerProcess } from "./source.ts";

/** How a worker model works. */
export interface WorkerOptions {
  /** Its name, as it is typed. */
  readonly name: string;
  /** How many workers wait ahead of connections, at least. */
  readonly spares: number;
  /** How many workers there are at most; Infinity for one a connection. */
  readonly most: number;
  /** How many connections a worker serves before it is replaced; Infinity for no end. */
  readonly recycle: number;
  /** Whether a worker becomes a program, whose exit says how its connection ended. */
  readonly isProgram: boolean;
  /** Whether a handler serves, which can be told that the server drains. */
  readonly isHandler: boolean;
}

/** A worker. */
export interface Worker {
  /** Its process. */
  readonly process: WorkerProcess;
  /** The parent's end; closed at its end of file. */
  readonly channel: Fd;
  /** Where it stands. */
  state: "starting" | "ready" | "handed" | "serving" | "finished";
  /** The connection it was handed; null between connections. */
  handoff: Handoff | null;
  /** How many connections it has served. */
  served: number;
}

/**
 * Hands a connection to a ready worker.
 *
 * @param worker The worker; it becomes `handed`.
 * @param handoff The connection.
 * @returns Whether it is on its way. That includes a worker which has just gone: its end of file, which
 *   gives the connection to another, is on its way, too.
 * @throws {PosixError} When the system refuses, such as ETOOMANYREFS.
 */
export function handTo(worker: Worker, handoff: Handoff): boolean {
  const { id, fd, peer } = handoff;
  worker.handoff = handoff;
  worker.state = "handed";
  try {
    const record = encodeHandover({ kind: "connection", id, peer });
    return sendFd(worker.channel.number, record, fd.number);
  } catch (error) {
    const gone = error instanceof PosixError &&
      ["EPIPE", "ECONNRESET"].includes(error.code);
    if (!gone) throw error;
    return true;
  }
}
