/**
 * IP addresses as bytes and as text.
 *
 * @module
 */

const HEX_GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Reads an IPv4 address in its one form: four decimal numbers without leading zeros.
 *
 * @param text Such as `192.0.2.1`.
 * @returns Its 4 bytes; null when it is none.
 */
export function parseIpv4(text: string): Uint8Array<ArrayBuffer> | null {
  const numbers = text.split(".");
  const inRange = (number: string) =>
    /^(0|[1-9]\d{0,2})$/.test(number) && Number(number) <= 255;
  if (numbers.length !== 4 || !numbers.every(inRange)) return null;
  return Uint8Array.from(numbers, Number);
}

/**
 * Reads an IPv6 address (RFC 4291, 2.2): eight groups of up to four hexadecimal digits, one run of zero
 * groups as `::`, the last two groups as an IPv4 address if that is how they are written. No zone.
 *
 * @param text Such as `2001:db8::1` or `::ffff:192.0.2.1`.
 * @returns Its 16 bytes; null when it is none.
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
