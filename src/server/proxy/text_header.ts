/**
 * Version 1 of the PROXY protocol's header: a line of text (2.1).
 *
 * @module
 */
import { encodeIpAddress } from "../../posix/address.ts";
import { parseIpv4, parseIpv6 } from "../../posix/ip.ts";
import { type ProxyHeader, ProxyHeaderError } from "./header.ts";

/** The longest line with its end, `PROXY UNKNOWN` with all that may stand behind it (2.1). */
const MAX_LINE = 107;

/** Beginnings of a line, each with what its addresses are read by; null: nothing behind it counts. */
const KINDS = [
  ["PROXY TCP4 ", parseIpv4],
  ["PROXY TCP6 ", parseIpv6],
  ["PROXY UNKNOWN ", null],
  ["PROXY UNKNOWN\r\n", null],
] as const;

/**
 * Reads a line.
 *
 * @param bytes What has come so far.
 * @returns The header; null when its end is yet to come.
 * @throws {ProxyHeaderError} When it is none, or cannot become one.
 */
export function readTextHeader(bytes: Uint8Array): ProxyHeader | null {
  const text = String.fromCharCode(...bytes.subarray(0, MAX_LINE));
  const kind = KINDS.find(([start]) => text.startsWith(start));
  const end = text.indexOf("\r\n");
  if (!kind && !KINDS.some(([start]) => start.startsWith(text))) {
    throw new ProxyHeaderError(
      text.startsWith("PROXY ")
        ? "its protocol is none of TCP4, TCP6 and UNKNOWN"
        : "it begins with no PROXY protocol header",
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
    throw new ProxyHeaderError("its line ends with one of CR and LF alone");
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
      `it has ${fields.length} fields after its protocol: want 4`,
    );
  }
  const [source, destination] = fields.map(parse);
  const ports = fields.slice(2);
  if (!source || !destination) {
    throw new ProxyHeaderError("it has no address where one belongs");
  }
  if (!ports.every(isPort)) {
    throw new ProxyHeaderError("it has no port where one belongs");
  }
  return encodeIpAddress(source, Number(ports[0]));
}

/** "Heading zeroes are not permitted in front of numbers" (2.1). */
function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}
