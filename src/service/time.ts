/**
 * Time (RFC 868): the seconds since 1900 as 32 bits, once.
 *
 * @module
 */
import type { AnyConnection } from "./service.ts";

/** Seconds from 1900-01-01 to 1970-01-01, as the RFC gives them. */
const FROM_1900_TO_1970 = 2_208_988_800;

/** Serves one connection. */
export function time(connection: AnyConnection): void {
  connection.writeSync(encodeTime(new Date()));
}

/**
 * A moment in the RFC's form. It wraps around in 2036, as 32 bits must.
 *
 * @returns Four bytes, big-endian.
 */
export function encodeTime(date: Date): Uint8Array<ArrayBuffer> {
  const seconds = Math.floor(date.getTime() / 1000) + FROM_1900_TO_1970;
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setUint32(0, seconds >>> 0);
  return new Uint8Array(bytes.buffer);
}
