/**
 * Reporting to the parent.
 *
 * The reasons why a process cannot serve, in a form that the parent can use.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { Error, indexOf, isA } from "../posix/intrinsics.ts";
import { pollOne } from "../posix/io.ts";
import type { Fd } from "../posix/fd.ts";
import { exitNow } from "../posix/forking.ts";
import { sendFd } from "../posix/net/handover.ts";
import { monotonic } from "../posix/process.ts";
import {
  encodeReport,
  type Failure,
  FAILURES,
  type Handover,
  NO_SECRET,
  type Outcome,
  type Report,
  type When,
} from "./records.ts";

/** Why a process cannot serve, where that is not the system's doing. */
export class ServeError extends Error {
  override name = "ServeError";

  constructor(readonly failure: Failure, message: string) {
    super(message);
  }
}

/** The kind of failure of an error at the start of a process. */
function failureOf(error: unknown): Failure {
  return isA(error, ServeError) ? error.failure : "system";
}

/**
 * Sends a report, and waits while the parent is behind with reading. A parent that is gone takes nothing away: the
 * connection is served to its end. `channel`: the channel or report socket, borrowed. `fd`: a descriptor that goes
 * with it, borrowed. Returns whether the parent is still there.
 */
export function tell(
  channel: number,
  report: Report,
  fd: number | null = null,
): boolean {
  try {
    const record = encodeReport(report);
    if (sendFd(channel, record, fd)) return true;
    do pollOne(channel, abi.POLLOUT, -1); while (!sendFd(channel, record, fd));
    return true;
  } catch (error) {
    if (PosixError.is(error)) return false;
    throw error;
  }
}

/** A connection is this process's. `since`: when its zygote began to fork; 0 where there is none. */
export function took({ id, secret }: Handover, since = 0): Report {
  const at = monotonic(), pid = 0, outcome = null, status = 0;
  return { kind: "took", id, pid, outcome, status, secret, at, since };
}

/** A connection has ended. `since`: the time of the client's half-close; 0 if there was none. */
export function done(
  { id, secret }: Handover,
  outcome: Outcome,
  since = 0,
): Report {
  const at = monotonic(), pid = 0, status = 0;
  return { kind: "done", id, pid, outcome, status, secret, at, since };
}

/** A zygote started a program, which says nothing itself. */
export function started(id: number, pid: number): Report {
  return own({ kind: "took", id, pid, outcome: null, status: 0 });
}

/** This process waits for work. */
export function ready(): Report {
  return own({ kind: "ready", id: 0, pid: 0, outcome: null, status: 0 });
}

/** This process, or a child of it, cannot serve. `id`: the connection or worker that it was for; 0 for none. */
export function failed(
  id: number,
  text: string,
  failure: Failure = "system",
): Report {
  const status = indexOf(FAILURES, failure);
  return own({ kind: "failed", id, pid: 0, outcome: saying(text), status });
}

/** Says why this process cannot serve, and ends it. */
export function cannotServe({ number }: Fd, error: unknown): never {
  tell(number, failed(0, (error as Error).message, failureOf(error)));
  return exitNow(1);
}

/** Where this process is on its way to its work. `text`: what it does next, such as `loading the module`. */
export function step(text: string): Report {
  return own({ kind: "step", id: 0, pid: 0, outcome: saying(text), status: 0 });
}

function saying(text: string): Outcome {
  return { bytesIn: 0, bytesOut: 0, reason: "error", text };
}

/** A child was reaped. */
export function exited(id: number, pid: number, status: number): Report {
  return own({ kind: "exited", id, pid, outcome: null, status });
}

/** Makes a report over the process's own channel, which needs no secret. */
function own(
  { kind, id, pid, outcome, status }: Omit<Report, "secret" | keyof When>,
): Report {
  const secret = NO_SECRET, at = monotonic(), since = 0;
  return { kind, id, pid, outcome, status, secret, at, since };
}
