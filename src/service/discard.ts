/**
 * Discard (RFC 863): what comes is thrown away; nothing is sent.
 *
 * @module
 */
import type { Connection } from "./service.ts";

const buffer = new Uint8Array(64 * 1024);

/**
 * Serves one connection, until the client ends its side.
 *
 * @param connection Whose bytes to throw away.
 */
export function discard(connection: Connection): void {
  while (connection.readSync(buffer) !== null);
}
