/**
 * Echo (RFC 862): sends every byte back until the client ends its side.
 *
 * @module
 */
import type { AnyConnection } from "./service.ts";

// 256 KiB measured best for bulk; a page of it costs memory only once it has been used.
const buffer = new Uint8Array(256 * 1024);

/** Serves one connection. `connection`: the connection whose bytes are sent back. */
export function echo(connection: AnyConnection): void {
  for (let count; (count = connection.readSync(buffer)) !== null;) {
    connection.writeSync(
      count === buffer.length ? buffer : buffer.subarray(0, count),
    );
  }
}
