/**
 * One process with a channel of its own, as the parent knows it.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { STOP_SIGNAL } from "../posix/forking.ts";
import { sendFd } from "../posix/net/handover.ts";
import {
  encodeHandover,
  newSecret,
  type Report,
  sameSecret,
} from "../wire/records.ts";
import type {
  EndSignal,
  Exit,
  Handoff,
  ProcessEntry,
  ProcessState,
} from "./model.ts";
import type { WorkerProcess, WorkerSource } from "./source.ts";

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
  /** Whether a first worker must be ready before the model has started. */
  readonly mustProve: boolean;
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
  state: ProcessState;
  /** The connection it was handed; null between connections. */
  handoff: Handoff | null;
  /** What its process must say to be believed about that. */
  secret: Uint8Array<ArrayBuffer> | null;
  /** How many connections it has served; Infinity when it is to serve no more. */
  served: number;
  /** It has said what it must not: it is being ended, and nothing more of it is believed. */
  isLiar: boolean;
}

/**
 * Starts a worker.
 *
 * @returns The worker, `starting`; null when none can be started at this moment.
 * @throws {Error} When the system refuses.
 */
export function launchWorker(
  source: WorkerSource,
  exited: (worker: Worker, exit: Exit) => void,
): Worker | null {
  const launched = source.launch((exit) => exited(worker, exit));
  if (launched === null) return null;
  const worker: Worker = {
    ...launched,
    state: "starting",
    handoff: null,
    secret: null,
    served: 0,
    isLiar: false,
  };
  return worker;
}

/**
 * Hands a connection to a ready worker.
 *
 * @returns Whether it is on its way. That includes a worker which has just gone: its end of file, which
 *   gives the connection to another, is on its way, too.
 * @throws {PosixError} When the system refuses, such as ETOOMANYREFS.
 */
export function handTo(worker: Worker, handoff: Handoff): boolean {
  const { id, fd, sockaddr: peer } = handoff;
  worker.handoff = handoff;
  worker.state = "handed";
  try {
    const secret = worker.secret = newSecret();
    const record = encodeHandover({ kind: "connection", id, peer, secret });
    return sendFd(worker.channel.number, record, fd.number);
  } catch (error) {
    const gone = error instanceof PosixError &&
      ["EPIPE", "ECONNRESET"].includes(error.code);
    if (!gone) throw error;
    return true;
  }
}

/**
 * Lets a handler see that it is to stop. Nothing else is prepared for the signal: it would end a program.
 */
export function tellToStop(
  { state, process }: Worker,
  { isHandler }: WorkerOptions,
): void {
  if (isHandler && state === "serving") process.signal(STOP_SIGNAL);
}

/** Asks or makes a worker that serves end; one that does not is left alone. */
export function endWorker(
  worker: Worker,
  signal: EndSignal,
  options: WorkerOptions,
): void {
  if (worker.state !== "serving") return;
  worker.served = Infinity;
  if (signal === "stop") tellToStop(worker, options);
  else worker.process.kill(signal);
}

/** Whether a report is about the connection that its worker was handed, by the secret that came with it. */
export function isAbout({ handoff, secret }: Worker, report: Report): boolean {
  return report.id === handoff?.id && sameSecret(report.secret, secret!);
}

/** A worker as a line of the process table. */
export function entryOf({ process, state, handoff }: Worker): ProcessEntry {
  const { pid, parent } = process;
  return {
    pid,
    parent,
    role: "connection",
    state,
    connection: handoff?.id ?? 0,
  };
}
