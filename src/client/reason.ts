/**
 * Why something failed, as it stands at the end of a message.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";

/**
 * The reason in an error of the system, without the call that met it.
 *
 * @param error What was thrown, by our own calls or by the runtime's.
 * @returns Such as `connection refused (ECONNREFUSED)`.
 */
export function reasonOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  if (error instanceof PosixError) return message.replace(/^\w+: /, "");
  const words = message.replace(/ \(os error \d+\)$/, "");
  const reason = words.slice(0, 1).toLowerCase() + words.slice(1);
  return code === undefined ? reason : `${reason} (${code})`;
}
