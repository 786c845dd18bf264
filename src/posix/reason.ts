/**
 * The reason of a failure, for the end of a message.
 *
 * @module
 */
import type { PosixError } from "./errno.ts";

/**
 * The reason in an error of the system, without the call that met it. For example `connection refused (ECONNREFUSED)`.
 */
export function reasonOf(error: unknown): string {
  const { name, message, code } = error as Error & Partial<PosixError>;
  // Known by its name, so that a command that only prints loads no C library for it.
  if (name === "PosixError") return message.replace(/^\w+: /, "");
  const words = message.replace(/ \(os error \d+\)(: .*)?$/, "");
  const reason = words.slice(0, 1).toLowerCase() + words.slice(1);
  return code === undefined ? reason : `${reason} (${code})`;
}
