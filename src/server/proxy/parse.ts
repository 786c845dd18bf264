/**
 * Reading the PROXY protocol's header, whichever its version.
 *
 * @module
 */
import { readBinaryHeader, SIGNATURE } from "./binary_header.ts";
import { MAX_HEADER, type ProxyHeader } from "./header.ts";
import { readTextHeader } from "./text_header.ts";

/**
 * Reads the header that a connection begins with.
 *
 * @param bytes What has come so far.
 * @returns The header; null when it is not whole yet: then every byte so far belongs to it.
 * @throws {ProxyHeaderError} As soon as the bytes cannot become a header any more.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | null {
  if (bytes.length === 0) return null;
  // The two versions differ in their first byte: `P` and a carriage return (2.2).
  return bytes[0] === SIGNATURE[0]
    ? readBinaryHeader(bytes, MAX_HEADER)
    : readTextHeader(bytes);
}
