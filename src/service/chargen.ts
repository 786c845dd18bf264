/**
 * Character generator (RFC 864): printable characters without end; what comes is thrown away.
 *
 * @module
 */
import type { TellingConnection } from "./service.ts";

/** The RFC's popular pattern: 72 of the 95 printable characters a line, one further each line. */
const LINE = 72;
const FIRST = 0x20;
const COUNT = 95;

/**
 * Serves one connection, until the client closes it.
 *
 * @throws {Deno.errors.BrokenPipe} When the client has closed it, as it is meant to.
 */
export function chargen(connection: TellingConnection): void {
  const cycle = pattern();
  try {
    for (;;) connection.tellSync(cycle);
  } catch (error) {
    // Closing is how a client says that it has enough: the RFC knows no other end.
    const enough = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset;
    if (!enough) throw error;
  }
}

/**
 * One cycle of the pattern, after which it repeats.
 *
 * @returns 95 lines, each ended by CR LF.
 */
export function pattern(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(COUNT * (LINE + 2));
  let at = 0;
  for (let line = 0; line < COUNT; line++) {
    for (let column = 0; column < LINE; column++) {
      bytes[at++] = FIRST + (line + column) % COUNT;
    }
    bytes[at++] = 0x0d;
    bytes[at++] = 0x0a;
  }
  return bytes;
}
