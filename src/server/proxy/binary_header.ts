/**
 * Version 2 of the PROXY protocol's header: binary, with a length (2.2).
 *
 * @module
 */
import { encodeIpAddress, encodeUnixAddress } from "../../posix/address.ts";
import { crc32c } from "./crc32c.ts";
import { type ProxyHeader, ProxyHeaderError } from "./header.ts";

/** What it begins with (2.2): `\r\n\r\n\0\r\nQUIT\n`. */
export const SIGNATURE: readonly number[] = [
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a],
];
const VERSION_AT = SIGNATURE.length;
const FAMILY_AT = 13;
const LENGTH_AT = 14;
/** Bytes before the addresses. */
const FIXED = 16;

const VERSION = 0x2;
const LOCAL = 0x0;
const PROXY = 0x1;
const STREAM = 0x1;
const LAST_PROTOCOL = 0x2; // DGRAM

/** Bytes of one address without its port, by family: AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX. */
const ADDRESS_SIZES = [0, 4, 16, 108] as const;
const UNIX = 0x3;

const PP2_TYPE_CRC32C = 0x03;

/**
 * Reads a header.
 *
 * @param bytes What has come so far.
 * @param most How long a header may be, in bytes.
 * @returns The header; null when it is not whole yet.
 * @throws {ProxyHeaderError} When it is none, or cannot become one.
 */
export function readBinaryHeader(
  bytes: Uint8Array,
  most: number,
): ProxyHeader | null {
  const { command, length } = checkFixed(bytes, most);
  if (bytes.length < length) return null;
  const header = bytes.subarray(0, length);
  // "discard the protocol block including the family which is ignored" (2.2)
  if (command === LOCAL) return { length, source: null };
  return { length, source: readBlock(header) };
}

/** Checks as much of the first 16 bytes as has come. */
function checkFixed(
  bytes: Uint8Array,
  most: number,
): { command: number; length: number } {
  if (!SIGNATURE.every((byte, i) => (bytes[i] ?? byte) === byte)) {
    throw new ProxyHeaderError("it begins with no PROXY protocol header");
  }
  const version = (bytes[VERSION_AT] ?? VERSION << 4) >> 4;
  const command = (bytes[VERSION_AT] ?? LOCAL) & 0xf;
  const family = (bytes[FAMILY_AT] ?? 0) >> 4;
  const protocol = (bytes[FAMILY_AT] ?? 0) & 0xf;
  if (version !== VERSION) {
    throw new ProxyHeaderError(`its version is ${version}: want ${VERSION}`);
  }
  if (command > PROXY) {
    throw new ProxyHeaderError(`its command ${command} is unassigned`);
  }
  if (command === PROXY && ADDRESS_SIZES[family] === undefined) {
    throw new ProxyHeaderError(`its address family ${family} is unassigned`);
  }
  if (command === PROXY && protocol > LAST_PROTOCOL) {
    throw new ProxyHeaderError(`its transport ${protocol} is unassigned`);
  }
  if (bytes.length < FIXED) return { command, length: FIXED };
  const length = FIXED + (bytes[LENGTH_AT]! << 8 | bytes[LENGTH_AT + 1]!);
  if (length > most) {
    throw new ProxyHeaderError(`it has ${length} bytes: want ${most} at most`);
  }
  return { command, length };
}

/** The addresses of a whole header, and what follows them. */
function readBlock(header: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const family = header[FAMILY_AT]! >> 4;
  const protocol = header[FAMILY_AT]! & 0xf;
  const size = ADDRESS_SIZES[family]!;
  // What an unspecified family or protocol brings along has no form that could be checked.
  if (size === 0 || protocol === 0) return null;
  const end = FIXED + 2 * size + (family === UNIX ? 0 : 4);
  if (header.length < end) {
    throw new ProxyHeaderError(
      `its ${header.length - FIXED} bytes of addresses are too few: want ${
        end - FIXED
      }`,
    );
  }
  checkVectors(header, end);
  if (protocol !== STREAM) return null; // this connection is none of datagrams: as UNSPEC
  const source = header.subarray(FIXED, FIXED + size);
  if (family === UNIX) return encodeUnixAddress(withoutPadding(source));
  const port = FIXED + 2 * size;
  return encodeIpAddress(source, header[port]! << 8 | header[port + 1]!);
}

/** Walks over type-length-value vectors; they must fill the rest, and a checksum must be right. */
function checkVectors(header: Uint8Array, start: number): void {
  let at = start;
  while (at + 3 <= header.length) {
    const value = at + 3;
    const length = header[at + 1]! << 8 | header[at + 2]!;
    if (value + length > header.length) break;
    if (header[at] === PP2_TYPE_CRC32C) checkSum(header, value, length);
    at = value + length;
  }
  if (at !== header.length) {
    throw new ProxyHeaderError("its last vector is not whole");
  }
}

/** The checksum is that of the whole header with zeros in its own place (2.2.3). */
function checkSum(header: Uint8Array, at: number, length: number): void {
  if (length !== 4) {
    throw new ProxyHeaderError(`its checksum has ${length} bytes: want 4`);
  }
  const bytes = header.slice();
  bytes.fill(0, at, at + 4);
  const told = new DataView(header.buffer, header.byteOffset).getUint32(at);
  if (crc32c(bytes) !== told) {
    throw new ProxyHeaderError("its checksum is wrong");
  }
}

function withoutPadding(name: Uint8Array): Uint8Array {
  // An abstract name begins with NUL, a path ends at the first.
  const end = name[0] === 0
    ? name.findLastIndex((byte) => byte !== 0) + 1
    : name.indexOf(0);
  return end < 0 ? name : name.subarray(0, end);
}
