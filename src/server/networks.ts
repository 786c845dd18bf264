/**
 * Networks of IP addresses, in CIDR notation (RFC 4632), and the values that belong to them.
 *
 * @module
 */
import { parseIpv4, parseIpv6 } from "../posix/net/address.ts";

export interface Network {
  /** Its first address: 4 bytes for IPv4, 16 for IPv6. */
  readonly ip: Uint8Array<ArrayBuffer>;
  /** How many of the first bits all its addresses share. */
  readonly prefix: number;
}

/** The first 96 bits of an IPv4 address that is written as an IPv6 one (RFC 4291, 2.5.5.2). */
const MAPPED = "00000000000000000000ffff";

/**
 * Reads a network. `text`: such as `192.0.2.0/24` or `2001:db8::/32`; an address alone is a network of one. Throws
 * `RangeError` when it is none, or bits beyond the prefix are set.
 */
export function parseNetwork(text: string): Network {
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = parseIpv4(address) ?? parseIpv6(address);
  const prefix = bits === undefined ? 8 * (ip?.length ?? 0) : Number(bits);
  if (!ip || prefix > 8 * ip.length) {
    throw new RangeError(
      `Cannot use network "${text}": expected an address and a prefix, such as 192.0.2.0/24 or 2001:db8::/32`,
    );
  }
  if (maskIp(ip, prefix).some((byte, i) => byte !== ip[i])) {
    throw new RangeError(
      `Cannot use network "${text}": bits beyond the prefix are set: use the first address of the network, or a longer prefix`,
    );
  }
  const isMapped = ip.length === 16 && prefix >= 96 &&
    ip.subarray(0, 12).toHex() === MAPPED;
  return isMapped ? { ip: ip.slice(12), prefix: prefix - 96 } : { ip, prefix };
}

/**
 * The first address of the network that an address is in. `ip`: 4 or 16 bytes. Returns as many bytes; those beyond
 * the prefix are zero.
 */
export function maskIp(
  ip: Uint8Array<ArrayBuffer>,
  prefix: number,
): Uint8Array<ArrayBuffer> {
  return ip.map((byte, i) => {
    const kept = Math.max(0, Math.min(8, prefix - 8 * i));
    return byte & (0xff00 >> kept);
  });
}

/** Values of networks; of those that an address is in, the most specific counts. */
export class NetworkTable<Value> {
  /** By bytes of an address, then by prefix, the longest first, then by the network's first address. */
  readonly #families: Readonly<
    Record<number, Map<number, Map<string, Value>>>
  > = { 4: new Map(), 16: new Map() };

  /** Gives a network a value. */
  set({ ip, prefix }: Network, value: Value): void {
    const family = this.#families[ip.length]!;
    const known = family.get(prefix);
    if (known) return void known.set(ip.toHex(), value);
    const all = [...family, [prefix, new Map([[ip.toHex(), value]])] as const];
    family.clear();
    for (const [length, networks] of all.sort(([a], [b]) => b - a)) {
      family.set(length, networks);
    }
  }

  /**
   * The value of the most specific network with an address. `ip`: 4 or 16 bytes. Returns the value of the most
   * specific network that it is in; undefined when it is in none.
   */
  find(ip: Uint8Array<ArrayBuffer>): Value | undefined {
    for (const [prefix, networks] of this.#families[ip.length] ?? []) {
      const value = networks.get(maskIp(ip, prefix).toHex());
      if (value !== undefined) return value;
    }
    return undefined;
  }
}
