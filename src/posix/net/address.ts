/**
 * `struct sockaddr` as people read it.
 *
 * @module
 */
import { type Abi, abi } from "../abi.ts";
import {
  decode,
  encode,
  getterOf,
  lengthOf,
  part,
  slice,
  Uint8Array,
} from "../intrinsics.ts";

const { AF_INET, AF_UNIX } = abi;

/** Bytes that hold any address: `sizeof(struct sockaddr_un)` is the largest, 110 on Linux. */
export const MAX_ADDRESS = 128;

/** `struct sockaddr_in6`: its size, and where its `sin6_scope_id` is. */
const IN6_SIZE = 28, SCOPE_AT = 24;

const DIGITS = "0123456789abcdef";
const { URL } = globalThis;
const hostnameOf = getterOf<string>(URL.prototype, "hostname");

/** `sizeof(sun_path)` without its end: 108 on Linux, 104 on macOS. */
export const MAX_UNIX_PATH = 103;

/** The address of one end of a connection: TCP over IPv4 or IPv6, or a Unix domain socket. */
export type Address = Deno.NetAddr | Deno.UnixAddr;

/**
 * Decodes a socket address (ip(7), ipv6(7), unix(7)). `bytes`: `struct sockaddr`, exactly as long as the system said,
 * or as {@linkcode nameZone} made it. `layout`: the system's layout; the running one's unless a test asks for another.
 */
export function decodeAddress(bytes: Uint8Array, layout: Abi = abi): Address {
  const size = lengthOf(bytes);
  if (size < 2) return { transport: "unix", path: "" };
  const family = layout.sockaddrHasLength
    ? bytes[1]!
    : bytes[0]! | bytes[1]! << 8;
  if (family === AF_UNIX) {
    return { transport: "unix", path: unixPath(part(bytes, 2)) };
  }
  const port = bytes[2]! << 8 | bytes[3]!;
  if (family === AF_INET && size >= 8) {
    return { transport: "tcp", hostname: ipv4(bytes, 4), port };
  }
  if (family === layout.AF_INET6 && size >= 24) {
    const hostname = ipv6(part(bytes, 8, 24)) + zoneOf(bytes, layout);
    return { transport: "tcp", hostname, port };
  }
  return { transport: "unix", path: "" };
}

/**
 * The interface that a link-local address belongs to: without it, nobody can connect there. `bytes`:
 * `struct sockaddr`. `layout`: the system's layout; the running one's unless a test asks for another. Returns the
 * interface's number; 0 when it is no such address.
 */
export function zoneIndex(bytes: Uint8Array, layout: Abi = abi): number {
  if (lengthOf(bytes) < IN6_SIZE) return 0;
  const family = layout.sockaddrHasLength ? bytes[1]! : bytes[0]!;
  const isLinkLocal = family === layout.AF_INET6 && bytes[8] === 0xfe &&
    (bytes[9]! & 0xc0) === 0x80; // fe80::/10
  if (!isLinkLocal) return 0;
  let index = 0;
  for (let i = 3; i >= 0; i--) index = 256 * index + bytes[SCOPE_AT + i]!;
  return index;
}

/**
 * Adds the name of its interface to a link-local address, behind the `struct sockaddr_in6`: who decodes it
 * need not be able to ask the system.
 */
export function nameZone(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Uint8Array<ArrayBuffer> {
  const encoded = encode(name), start = lengthOf(bytes);
  const named = new Uint8Array(start + lengthOf(encoded));
  for (let i = 0; i < start; i++) named[i] = bytes[i]!;
  for (let i = start; i < lengthOf(named); i++) named[i] = encoded[i - start]!;
  return named;
}

/** Its zone, with the sign that goes before it; empty where it has none. */
function zoneOf(bytes: Uint8Array, layout: Abi): string {
  const index = zoneIndex(bytes, layout);
  return index === 0 ? "" : `%${zoneName(bytes) || index}`;
}

/** The name that {@linkcode nameZone} added. */
export function zoneName(bytes: Uint8Array): string {
  return decode(part(bytes, IN6_SIZE));
}

/**
 * The IP address in a socket address. `bytes`: `struct sockaddr`, exactly as long as the system said. `layout`: the
 * system's layout; the running one's unless a test asks for another. Returns 4 bytes for IPv4, also where it is
 * mapped into IPv6, or 16; null when it has none.
 */
export function ipOf(
  bytes: Uint8Array<ArrayBuffer>,
  layout: Abi = abi,
): Uint8Array<ArrayBuffer> | null {
  if (bytes.length < 8) return null;
  const family = layout.sockaddrHasLength
    ? bytes[1]!
    : bytes[0]! | bytes[1]! << 8;
  if (family === AF_INET) return bytes.slice(4, 8);
  if (family !== layout.AF_INET6 || bytes.length < 24) return null;
  const ip = bytes.slice(8, 24);
  return isMapped(ip) ? ip.slice(12) : ip;
}

/** An address on one line: `127.0.0.1:9190`, `[::1]:9190`, or the path of a Unix domain socket. */
export function formatAddress(address: Address): string {
  if ("path" in address) return address.path === "" ? "unix" : address.path;
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/**
 * Encodes a socket address, the reverse of {@linkcode decodeAddress}. `layout`: the system's layout; the running
 * one's unless a test asks for another. Returns `struct sockaddr`, as long as the system wants it. Throws `TypeError`
 * when the host is no address, or the path is too long.
 */
export function encodeAddress(
  address: Address,
  layout: Abi = abi,
): Uint8Array<ArrayBuffer> {
  if ("path" in address) {
    const path = new TextEncoder().encode(address.path);
    if (path.length > MAX_UNIX_PATH) {
      throw new TypeError(
        `Cannot use path "${address.path}": ${MAX_UNIX_PATH} bytes at most`,
      );
    }
    return encodeUnixAddress(new Uint8Array([...path, 0]), layout);
  }
  const { hostname, port } = address;
  const ip = parseIpv4(hostname) ?? parseIpv6(hostname);
  if (ip) return encodeIpAddress(ip, port, layout);
  throw new TypeError(`Cannot use host "${hostname}": expected an address`);
}

/**
 * Encodes an IP address and a port (ip(7), ipv6(7)). `ip`: the address: 4 bytes for IPv4, 16 for IPv6. `layout`: the
 * system's layout; the running one's unless a test asks for another. Returns `struct sockaddr_in` or
 * `struct sockaddr_in6`.
 */
export function encodeIpAddress(
  ip: Uint8Array,
  port: number,
  layout: Abi = abi,
): Uint8Array<ArrayBuffer> {
  const bytes = ip.length === 4
    ? sockaddr(AF_INET, 16, layout, 4, ip)
    : sockaddr(layout.AF_INET6, 28, layout, 8, ip);
  new DataView(bytes.buffer).setUint16(2, port);
  return bytes;
}

/**
 * Encodes the name of a Unix domain socket (unix(7)). `name`: a path, or a NUL byte and an abstract name; empty for
 * none; 108 bytes at most. `layout`: the system's layout; the running one's unless a test asks for another. Returns
 * `struct sockaddr_un`, as long as it has to be.
 */
export function encodeUnixAddress(
  name: Uint8Array,
  layout: Abi = abi,
): Uint8Array<ArrayBuffer> {
  return sockaddr(AF_UNIX, 2 + name.length, layout, 2, name);
}

function sockaddr(
  family: number,
  size: number,
  layout: Abi,
  at: number,
  content: ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  if (layout.sockaddrHasLength) bytes.set([size, family]);
  else bytes[0] = family; // little-endian, below 256
  bytes.set(content, at);
  return bytes;
}

function unixPath(bytes: Uint8Array): string {
  const size = lengthOf(bytes);
  if (size > 1 && bytes[0] === 0) return "@" + decode(part(bytes, 1));
  let end = 0;
  while (end < size && bytes[end] !== 0) end++;
  return decode(part(bytes, 0, end));
}

function ipv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function hex(byte: number): string {
  return DIGITS[byte >> 4]! + DIGITS[byte & 15]!;
}

/** RFC 5952 text of 16 bytes, with IPv4-mapped addresses (RFC 4291, 2.5.5.2) as IPv4. */
function ipv6(bytes: Uint8Array): string {
  if (isMapped(bytes)) return ipv4(bytes, 12);
  let groups = "";
  for (let i = 0; i < 16; i += 2) {
    groups += `${i === 0 ? "" : ":"}${hex(bytes[i]!)}${hex(bytes[i + 1]!)}`;
  }
  // The URL standard's host serializer writes the shortest form, as RFC 5952 asks.
  return slice(hostnameOf(new URL(`http://[${groups}]/`)), 1, -1);
}

function isMapped(ip: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (ip[i] !== 0) return false;
  return ip[10] === 0xff && ip[11] === 0xff;
}

/* IP addresses as bytes and as text. */

const HEX_GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Reads an IPv4 address in its one form: four decimal numbers without leading zeros. `text`: such as `192.0.2.1`.
 * Returns its 4 bytes; null when it is none.
 */
export function parseIpv4(text: string): Uint8Array<ArrayBuffer> | null {
  const numbers = text.split(".");
  const inRange = (number: string) =>
    /^(0|[1-9]\d{0,2})$/.test(number) && Number(number) <= 255;
  if (numbers.length !== 4 || !numbers.every(inRange)) return null;
  return Uint8Array.from(numbers, Number);
}

/**
 * Reads an IPv6 address (RFC 4291, 2.2): eight groups of up to four hexadecimal digits, one run of zero groups as
 * `::`, the last two groups as an IPv4 address if that is how they are written. No zone. `text`: such as
 * `2001:db8::1` or `::ffff:192.0.2.1`. Returns its 16 bytes; null when it is none.
 */
export function parseIpv6(text: string): Uint8Array<ArrayBuffer> | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half, i) =>
    readGroups(half, i === halves.length - 1)
  );
  if (!head || tail === null) return null;
  const given = head.length + (tail?.length ?? 0);
  // `::` stands for a group at least.
  if (tail === undefined ? given !== 16 : given > 14) return null;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail ?? [], 16 - (tail?.length ?? 0));
  return bytes;
}

/** The bytes of groups between colons; null when one of them is none. */
function readGroups(text: string, isLast: boolean): number[] | null {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    const ipv4 = isLast && i === groups.length - 1 ? parseIpv4(group) : null;
    if (ipv4) bytes.push(...ipv4);
    else if (HEX_GROUP.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return null;
  }
  return bytes;
}
