/**
 * `struct sockaddr` as people read it.
 *
 * @module
 */
import { type Abi, abi, AF_INET, AF_UNIX } from "./abi.ts";

/** Bytes that hold any address: `sizeof(struct sockaddr_un)` is the largest, 110 on Linux. */
export const MAX_ADDRESS = 128;

/** `sizeof(sun_path)` without its end: 108 on Linux, 104 on macOS. */
const MAX_UNIX_PATH = 103;

/** The address of one end of a connection: TCP over IPv4 or IPv6, or a Unix domain socket. */
export type Address = Deno.NetAddr | Deno.UnixAddr;

/**
 * Decodes a socket address (ip(7), ipv6(7), unix(7)).
 *
 * @param bytes `struct sockaddr`, exactly as long as the system said.
 * @param layout The system's layout; the running one's unless a test asks for another.
 * @returns The address; an IPv4-mapped IPv6 address reads as IPv4; an unnamed Unix socket has an
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
      hostname: bytes.subarray(4, 8).join("."),
      port: view.getUint16(2),
    };
  }
  if (family === layout.AF_INET6 && bytes.length >= 24) {
    return {
      transport: "tcp",
      hostname: ipv6(bytes.subarray(8, 24)),
      port: view.getUint16(2),
    };
  }
  return { transport: "unix", path: "" };
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
    return sockaddr(AF_UNIX, 3 + path.length, layout, 2, path);
  }
  const { hostname, port } = address;
  const bytes = hostBytes(hostname);
  const encoded = bytes.length === 4
    ? sockaddr(AF_INET, 16, layout, 4, bytes)
    : sockaddr(layout.AF_INET6, 28, layout, 8, bytes);
  new DataView(encoded.buffer).setUint16(2, port);
  return encoded;
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

/** 4 or 16 bytes of an address in text. */
function hostBytes(hostname: string): number[] {
  if (/^\d+(\.\d+){3}$/.test(hostname)) {
    const bytes = hostname.split(".").map(Number);
    if (bytes.every((byte) => byte < 256)) return bytes;
  } else if (URL.canParse(`http://[${hostname}]/`)) {
    // Shortest form, RFC 5952: at most one "::", no dotted numbers.
    const text = new URL(`http://[${hostname}]/`).hostname.slice(1, -1);
    const [head, tail] = text.split("::").map((part) =>
      part === "" ? [] : part.split(":").map((group) => parseInt(group, 16))
    );
    const missing = 8 - head!.length - (tail?.length ?? 0);
    const groups = [...head!, ...Array(missing).fill(0), ...tail ?? []];
    return groups.flatMap((group: number) => [group >> 8, group & 0xff]);
  }
  throw new TypeError(`Cannot use host "${hostname}": want an address`);
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
