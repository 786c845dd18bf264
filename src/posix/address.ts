/**
 * `struct sockaddr` as people read it.
 *
 * @module
 */
import { type Abi, abi, AF_INET, AF_UNIX } from "./abi.ts";
import { parseIpv4, parseIpv6 } from "./ip.ts";

/** Bytes that hold any address: `sizeof(struct sockaddr_un)` is the largest, 110 on Linux. */
export const MAX_ADDRESS = 128;

/** `struct sockaddr_in6`: its size, and where its `sin6_scope_id` is. */
const IN6_SIZE = 28, SCOPE_AT = 24;

/** `sizeof(sun_path)` without its end: 108 on Linux, 104 on macOS. */
export const MAX_UNIX_PATH = 103;

/** The address of one end of a connection: TCP over IPv4 or IPv6, or a Unix domain socket. */
export type Address = Deno.NetAddr | Deno.UnixAddr;

/**
 * Decodes a socket address (ip(7), ipv6(7), unix(7)).
 *
 * @param bytes `struct sockaddr`, exactly as long as the system said, or as {@linkcode nameZone} made it.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns The address; an IPv4-mapped IPv6 address reads as IPv4, a link-local one has its zone
 *   (`fe80::1%eth0`, or `%2` where nobody named it; RFC 4007, 11); an unnamed Unix socket has an
 *   empty path, an abstract one starts with `@`.
 */
export function decodeAddress(bytes: Uint8Array, layout: Abi = abi): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 2) return { transport: "unix", path: "" };
  const family = layout.sockaddrHasLength ? bytes[1]! : view.getUint16(0, true);
  if (family === AF_UNIX) {
    return { transport: "unix", path: unixPath(bytes.subarray(2)) };
  }
  if (family === AF_INET && bytes.length >= 8) {
    return {
      transport: "tcp",
      hostname: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`,
      port: view.getUint16(2),
    };
  }
  if (family === layout.AF_INET6 && bytes.length >= 24) {
    return {
      transport: "tcp",
      hostname: ipv6(bytes.subarray(8, 24)) + zoneOf(bytes, layout),
      port: view.getUint16(2),
    };
  }
  return { transport: "unix", path: "" };
}

/**
 * The interface that a link-local address belongs to: without it, nobody can connect there.
 *
 * @param bytes `struct sockaddr`.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns The interface's number; 0 when it is no such address.
 */
export function zoneIndex(bytes: Uint8Array, layout: Abi = abi): number {
  if (bytes.length < IN6_SIZE) return 0;
  const family = layout.sockaddrHasLength ? bytes[1]! : bytes[0]!;
  const isLinkLocal = family === layout.AF_INET6 && bytes[8] === 0xfe &&
    (bytes[9]! & 0xc0) === 0x80; // fe80::/10
  if (!isLinkLocal) return 0;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(SCOPE_AT, true);
}

/**
 * Adds the name of its interface to a link-local address, behind the `struct sockaddr_in6`: who decodes it
 * need not be able to ask the system.
 *
 * @param bytes The address.
 * @param name The name; empty for none.
 * @returns Both.
 */
export function nameZone(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...bytes, ...new TextEncoder().encode(name)]);
}

/** Its zone, with the sign that goes before it; empty where it has none. */
function zoneOf(bytes: Uint8Array, layout: Abi): string {
  const index = zoneIndex(bytes, layout);
  return index === 0 ? "" : `%${zoneName(bytes) || index}`;
}

/**
 * The name that {@linkcode nameZone} added.
 *
 * @param bytes The address.
 * @returns The name; empty when there is none.
 */
export function zoneName(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(IN6_SIZE));
}

/**
 * The IP address in a socket address.
 *
 * @param bytes `struct sockaddr`, exactly as long as the system said.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns 4 bytes for IPv4, also where it is mapped into IPv6, or 16; null when it has none.
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

/**
 * An address on one line: `127.0.0.1:9190`, `[::1]:9190`, or the path of a Unix domain socket.
 *
 * @param address The address.
 * @returns The text; `unix` for a socket without a name.
 */
export function formatAddress(address: Address): string {
  if ("path" in address) return address.path === "" ? "unix" : address.path;
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

/**
 * Encodes a socket address, the reverse of {@linkcode decodeAddress}.
 *
 * @param address An address, not a name; a Unix domain socket by its path.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns `struct sockaddr`, as long as the system wants it.
 * @throws {TypeError} When the host is no address, or the path is too long.
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
  throw new TypeError(`Cannot use host "${hostname}": want an address`);
}

/**
 * Encodes an IP address and a port (ip(7), ipv6(7)).
 *
 * @param ip The address: 4 bytes for IPv4, 16 for IPv6.
 * @param port The port.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns `struct sockaddr_in` or `struct sockaddr_in6`.
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
 * Encodes the name of a Unix domain socket (unix(7)).
 *
 * @param name A path, or a NUL byte and an abstract name; empty for none; 108 bytes at most.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns `struct sockaddr_un`, as long as it has to be.
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
  if (bytes.length > 1 && bytes[0] === 0) {
    return "@" + new TextDecoder().decode(bytes.subarray(1));
  }
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** RFC 5952 text of 16 bytes, with IPv4-mapped addresses (RFC 4291, 2.5.5.2) as IPv4. */
function ipv6(bytes: Uint8Array): string {
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push((bytes[i]! << 8 | bytes[i + 1]!).toString(16));
  }
  // The URL standard's host serializer writes the shortest form, as RFC 5952 asks.
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

function isMapped(ip: Uint8Array): boolean {
  return ip[10] === 0xff && ip[11] === 0xff &&
    ip.subarray(0, 10).every((byte) => byte === 0);
}
