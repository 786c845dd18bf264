/**
 * PROXY protocol headers, and how a test reads them.
 *
 * @module
 */
import {
  decodeAddress,
  formatAddress,
} from "../../../src/posix/net/address.ts";
import { crc32c, readProxyHeader } from "../../../src/server/proxy/header.ts";

/** The signature of version 2 (2.2). */
export const SIGNATURE = "0d0a0d0a000d0a515549540a";

/** Bytes, from text or as they are. */
export function bytesOf(header: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof header === "string"
    ? Uint8Array.from(header, (character) => character.charCodeAt(0))
    : new Uint8Array(header);
}

/** A header of version 2: its 13th and 14th byte, and what follows its length. */
export function binary(
  command: number,
  family: number,
  block: string | Uint8Array = "",
): Uint8Array<ArrayBuffer> {
  const body = typeof block === "string" ? Uint8Array.fromHex(block) : block;
  return new Uint8Array([
    ...Uint8Array.fromHex(SIGNATURE),
    command,
    family,
    body.length >> 8,
    body.length & 0xff,
    ...body,
  ]);
}

/** A type-length-value vector (2.2), in hex. */
export function vector(type: number, value: string): string {
  const length = value.length / 2;
  return [type, length >> 8, length & 0xff].map((byte) =>
    byte.toString(16).padStart(2, "0")
  ).join("") + value;
}

/** A header with the right checksum in the last four bytes, which are zeros (2.2.3). */
export function summed(
  header: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  new DataView(header.buffer).setUint32(header.length - 4, crc32c(header));
  return header;
}

/** The meaning of a header: the source, `none`, `more` if it is incomplete, or its fault. */
export function told(header: string | Uint8Array): string {
  try {
    const read = readProxyHeader(bytesOf(header));
    if (read === null) return "more";
    if (read.source === null) return "none";
    return formatAddress(decodeAddress(read.source));
  } catch (error) {
    return (error as Error).message;
  }
}
