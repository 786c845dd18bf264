/**
 * Discard (RFC 863): what comes is thrown away; nothing is sent.
 *
 * @module
 */
import type { AnyConnection } from "./service.ts";

const buffer = new Uint8Array(64 * 1024);

/**
 * Serves one connection, until the client ends its side.
 *
 * @param connection Whose bytes to throw away.
 */
export function discard(connection: AnyConnection): void {
  while (connection.readSync(buffer) !== null);
}
