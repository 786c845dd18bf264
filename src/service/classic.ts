/**
 * The classic services besides echo: discard (RFC 863), chargen (RFC 864), daytime (RFC 867) and time (RFC 868).
 *
 * @module
 */
import type { AnyConnection, SendOnly } from "./service.ts";

const buffer = new Uint8Array(64 * 1024);

/** Serves one connection, until the client ends its side. `connection`: the connection whose bytes are discarded. */
export function discard(connection: AnyConnection): void {
  while (connection.readSync(buffer) !== null);
}

const DAYS = [
  "Sunday",
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Serves one connection: one line, in the first of the forms that the RFC shows, in UTC. */
export function daytime(connection: AnyConnection): void {
  connection.writeSync(
    new TextEncoder().encode(formatDaytime(new Date()) + "\r\n"),
  );
}

/** `Weekday, Month Day, Year Time-Zone`, as in `Tuesday, February 22, 1982 17:37:43-UTC`. */
export function formatDaytime(date: Date): string {
  const day = `${DAYS[date.getUTCDay()]}, ${
    MONTHS[date.getUTCMonth()]
  } ${date.getUTCDate()}`;
  return `${day}, ${date.getUTCFullYear()} ${
    date.toISOString().slice(11, 19)
  }-UTC`;
}

/** Seconds from 1900-01-01 to 1970-01-01, as the RFC gives them. */
const FROM_1900_TO_1970 = 2_208_988_800;

/** Serves one connection. */
export function time(connection: AnyConnection): void {
  connection.writeSync(encodeTime(new Date()));
}

/** A moment in the RFC's form. It wraps around in 2036, as 32 bits must. Returns four bytes, big-endian. */
export function encodeTime(date: Date): Uint8Array<ArrayBuffer> {
  const seconds = Math.floor(date.getTime() / 1000) + FROM_1900_TO_1970;
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, seconds >>> 0);
  return new Uint8Array(bytes.buffer);
}

/** The RFC's popular pattern: 72 of the 95 printable characters a line, one further each line. */
const LINE = 72;
const FIRST = 0x20;
const COUNT = 95;

/**
 * Serves one connection, until the client closes it. Throws `Deno.errors.BrokenPipe` when the client has closed it,
 * as it is meant to.
 */
export function chargen(connection: AnyConnection, sendOnly: SendOnly): void {
  const cycle = pattern();
  try {
    for (;;) sendOnly(connection, cycle);
  } catch (error) {
    // Closing is how a client says that it has enough: the RFC knows no other end.
    const enough = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset;
    if (!enough) throw error;
  }
}

/** One cycle of the pattern, after which it repeats. Returns 95 lines, each ended by CR LF. */
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
