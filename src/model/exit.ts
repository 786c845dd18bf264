/**
 * How processes end, and what that says of their connections.
 *
 * @module
 */
import type { Outcome } from "../wire/records.ts";
import { decodeStatus, signalName } from "../posix/forking.ts";

/** How a process ended. */
export interface Exit {
  /** Its exit code; 128 and more when a signal ended it; -1 when nobody knows. */
  readonly code: number;
  /** The signal that ended it, such as `SIGKILL`; null when none did. */
  readonly signal: string | null;
}

/** Reads a wait status. */
export function exitOf(status: number): Exit {
  const { code, signal } = decodeStatus(status);
  return { code, signal: signal === 0 ? null : signalName(signal) };
}

/** The outcome of a connection whose process ended without saying one. */
export function exitOutcome(
  { code, signal }: Exit,
  isProgram: boolean,
): Outcome {
  const uncounted = { bytesIn: null, bytesOut: null };
  const text = signal === "SIGSYS"
    ? "SIGSYS: a system call that its sandbox does not allow: clone, or one of another architecture"
    : signal ?? (code < 0 ? "exit code unknown" : `exit code ${code}`);
  if (!isProgram) return { ...uncounted, reason: "killed", text };
  if (code === 0) return { ...uncounted, reason: "closed", text: "" };
  // That is how a program learns that the client is gone.
  const reason = signal === "SIGPIPE" ? "reset" : "program";
  return { ...uncounted, reason, text };
}
