/**
 * What can go wrong with a connection under load, in a word or two.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";

/** A connection that did not do what it should. */
export class LoadFailure extends Error {
  constructor(kind: string) {
    super(kind);
    this.name = "Failure";
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ENOTCONN: "reset",
  ETIMEDOUT: "timed out",
  EADDRNOTAVAIL: "no free local port",
  EMFILE: "no descriptor left",
  ENFILE: "no descriptor left",
};

/**
 * What went wrong, to be counted.
 *
 * @returns Such as `refused`, or the name of the system's error.
 * @throws {unknown} The error itself, when it is not of a connection but of this program.
 */
export function failureKind(error: unknown): string {
  if (error instanceof LoadFailure) return error.message;
  if (error instanceof PosixError) return WORDS[error.code] ?? error.code;
  throw error;
}
