/**
 * The header of the PROXY protocol, in which a proxy sends the client's address before its first byte.
 * Versions 1 and 2, after HAProxy's "The PROXY protocol" of 2020/03/05; the numbers in these files are its sections.
 *
 * @module
 */
import {
  encodeIpAddress,
  encodeUnixAddress,
  parseIpv4,
  parseIpv6,
} from "../../posix/net/address.ts";

/**
 * Bytes of the longest header that is read. The specification wants headers to fit into 536 bytes
 * (2), its length field (2.2) can say 65,551; what proxies add of certificates lies in between.
 */
export const MAX_HEADER = 4096;

interface ProxyHeader {
  /** How many bytes it has: the client's own begin behind it. */
  readonly length: number;
  /**
   * The client's `struct sockaddr`; null where the header names no address that is meant to be used
   * (`UNKNOWN`, LOCAL, UNSPEC), so that the connection's own holds.
   */
  readonly source: Uint8Array<ArrayBuffer> | null;
}

/** The bytes are no valid header: the connection must be closed (2.1, 2.2). */
export class ProxyHeaderError extends Error {
  constructor(why: string) {
    super(why);
    this.name = "ProxyHeaderError";
  }
}

/** The generator polynomial 0x1EDC6F41, its bits in reverse. */
const POLYNOMIAL = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? remainder >>> 1 ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder;
});

/** Computes the checksum. Returns 32 bits, unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder = remainder >>> 8 ^ table[(remainder ^ byte) & 0xff]!;
  }
  return (remainder ^ 0xffffffff) >>> 0;
}

/** The longest line with its end, `PROXY UNKNOWN` with all that may stand behind it (2.1). */
const MAX_LINE = 107;

/** The beginnings of a line, each with the reader of its addresses; null: the rest is ignored. */
const KINDS = [
  ["PROXY TCP4 ", parseIpv4],
  ["PROXY TCP6 ", parseIpv6],
  ["PROXY UNKNOWN ", null],
  ["PROXY UNKNOWN\r\n", null],
] as const;

/**
 * Reads a line. Returns the header; null when its end is yet to come. Throws `ProxyHeaderError` when it is none, or
 * cannot become one.
 */
function readTextHeader(bytes: Uint8Array): ProxyHeader | null {
  const text = String.fromCharCode(...bytes.subarray(0, MAX_LINE));
  const kind = KINDS.find(([start]) => text.startsWith(start));
  const end = text.indexOf("\r\n");
  if (!kind && !KINDS.some(([start]) => start.startsWith(text))) {
    throw new ProxyHeaderError(
      text.startsWith("PROXY ")
        ? "its protocol is not TCP4, TCP6 or UNKNOWN"
        : "it does not begin with a PROXY protocol header",
    );
  }
  if (!kind || end < 0) {
    checkUnfinished(text, kind?.[1] ?? null);
    return null;
  }
  const [start, parse] = kind;
  const length = end + 2;
  // "the receiver must ignore anything presented before the CRLF is found" (2.1)
  if (parse === null) return { length, source: null };
  return {
    length,
    source: readAddresses(text.slice(start.length, end), parse),
  };
}

/** An end that has not come may never come. */
function checkUnfinished(text: string, parse: unknown): void {
  if (text.length >= MAX_LINE) {
    throw new ProxyHeaderError(
      `its line does not end within ${MAX_LINE} bytes`,
    );
  }
  // "must not tolerate a single CR or LF character to end the line" (2.1); the CR may be half of an end.
  if (parse !== null && /\n|\r./s.test(text)) {
    throw new ProxyHeaderError("its line ends with only one of CR and LF");
  }
}

/** `source destination source-port destination-port`, a single blank between each. */
function readAddresses(
  text: string,
  parse: (text: string) => Uint8Array | null,
): Uint8Array<ArrayBuffer> {
  const fields = text.split(" ");
  if (fields.length !== 4) {
    throw new ProxyHeaderError(
      `it has ${fields.length} fields after its protocol: expected 4`,
    );
  }
  const [source, destination] = fields.map(parse);
  const ports = fields.slice(2);
  if (!source || !destination) {
    throw new ProxyHeaderError("it has an invalid address");
  }
  if (!ports.every(isPort)) {
    throw new ProxyHeaderError("it has an invalid port");
  }
  return encodeIpAddress(source, Number(ports[0]));
}

/** "Heading zeroes are not permitted in front of numbers" (2.1). */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

/** Its first bytes (2.2): `\r\n\r\n\0\r\nQUIT\n`. */
const SIGNATURE: readonly number[] = [
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
 * Reads a header. `most`: how long a header may be, in bytes. Returns the header; null when it is not whole yet.
 * Throws `ProxyHeaderError` when it is none, or cannot become one.
 */
function readBinaryHeader(
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
    throw new ProxyHeaderError(
      "it does not begin with a PROXY protocol header",
    );
  }
  const version = (bytes[VERSION_AT] ?? VERSION << 4) >> 4;
  const command = (bytes[VERSION_AT] ?? LOCAL) & 0xf;
  const family = (bytes[FAMILY_AT] ?? 0) >> 4;
  const protocol = (bytes[FAMILY_AT] ?? 0) & 0xf;
  if (version !== VERSION) {
    throw new ProxyHeaderError(
      `its version is ${version}: expected ${VERSION}`,
    );
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
    throw new ProxyHeaderError(
      `it has ${length} bytes: expected ${most} at most`,
    );
  }
  return { command, length };
}

/** The addresses of a whole header, and what follows them. */
function readBlock(header: Uint8Array): Uint8Array<ArrayBuffer> | null {
  const family = header[FAMILY_AT]! >> 4;
  const protocol = header[FAMILY_AT]! & 0xf;
  const size = ADDRESS_SIZES[family]!;
  // The address block of an unspecified family or protocol has no form to check.
  if (size === 0 || protocol === 0) return null;
  const end = FIXED + 2 * size + (family === UNIX ? 0 : 4);
  if (header.length < end) {
    throw new ProxyHeaderError(
      `its ${header.length - FIXED} bytes of addresses are too few: expected ${
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
    throw new ProxyHeaderError("its last vector is incomplete");
  }
}

/** The checksum is that of the whole header with zeros in its own place (2.2.3). */
function checkSum(header: Uint8Array, at: number, length: number): void {
  if (length !== 4) {
    throw new ProxyHeaderError(`its checksum has ${length} bytes: expected 4`);
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

/**
 * Reads the header that a connection begins with. Returns the header; null when it is not whole yet: then every byte
 * so far belongs to it. Throws `ProxyHeaderError` as soon as the bytes cannot become a header any more.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | null {
  if (bytes.length === 0) return null;
  // The two versions differ in their first byte: `P` and a carriage return (2.2).
  return bytes[0] === SIGNATURE[0]
    ? readBinaryHeader(bytes, MAX_HEADER)
    : readTextHeader(bytes);
}
