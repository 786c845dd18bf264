/**
 * What the system refuses a handler, as errors that it may get.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { Error, errors } from "../posix/intrinsics.ts";

/**
 * Throws what `Deno.Conn` throws for the same error, so that code written for it can catch it.
 */
export function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!PosixError.is(error)) throw error;
    const DenoError = DENO_ERRORS[error.code];
    throw DenoError ? new DenoError(error.message) : new SystemError(error);
  }
}

/** What the system refuses, and `Deno.Conn` has no class for. Ours is for nobody else to get. */
class SystemError extends Error {
  override readonly name: string;
  readonly code: string;

  constructor({ name, message, code }: PosixError) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

const DENO_ERRORS: Readonly<Record<string, new (message: string) => Error>> = {
  __proto__: null as never,
  ECONNRESET: errors.ConnectionReset,
  EPIPE: errors.BrokenPipe,
  ENOTCONN: errors.NotConnected,
  ETIMEDOUT: errors.TimedOut,
};
