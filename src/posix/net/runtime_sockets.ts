/**
 * Descriptors of the sockets that `Deno.listen` and `Deno.connect` made, which hide them: found by their
 * addresses.
 *
 * @module
 */
import type { Address } from "./address.ts";
import { openDescriptors } from "../fd.ts";
import { isListening, ownAddress, peerAddress } from "./sockets.ts";

/**
 * The descriptor of a listener that `Deno.listen` made, which hides it. Returns the descriptor, borrowed: the
 * `Deno.Listener` closes it. Throws `TypeError` when no listening socket of this process has that address.
 */
export function findListener(address: Deno.Addr): number {
  const wanted = address as Address;
  for (const fd of openDescriptors()) {
    if (!isListening(fd)) continue;
    const address = ownAddress(fd);
    if (address && sameAddress(address, wanted)) return fd;
  }
  throw new TypeError(
    `Cannot find the listening socket of ${JSON.stringify(address)}`,
  );
}

/**
 * The connections that this process has, whoever made them. Returns the descriptor of each, borrowed, and the address
 * of its peer.
 */
export function connections(): Map<number, Address> {
  const found = new Map<number, Address>();
  for (const fd of openDescriptors()) {
    const peer = peerAddress(fd);
    if (peer !== null) found.set(fd, peer);
  }
  return found;
}

/**
 * The descriptor of a connection that `Deno.connect` made, which hides it. `before`: what {@linkcode connections}
 * said before the connection was made: the addresses alone do not tell apart two connections to one Unix domain
 * socket, nor does a number alone, which may have been another one's until then. Returns the descriptor, borrowed:
 * the `Deno.Conn` closes it. Throws `TypeError` when no socket of this process connects the two.
 */
export function findConnection(
  local: Deno.Addr,
  remote: Deno.Addr,
  before: ReadonlyMap<number, Address> = new Map(),
): number {
  const isPeer = (address?: Address) =>
    address ? sameAddress(address, remote as Address) : false;
  const found: number[] = [];
  for (const [fd, peer] of connections()) {
    const ours = isPeer(peer) ? ownAddress(fd) : null;
    if (ours && sameAddress(ours, local as Address)) found.push(fd);
  }
  // One to the same peer may have been closed since, and its number be this one's.
  const fd = found.find((fd) => !isPeer(before.get(fd))) ?? found[0];
  if (fd !== undefined) return fd;
  throw new TypeError(
    `Cannot find the socket connected to ${JSON.stringify(remote)}`,
  );
}

function sameAddress(a: Address, b: Address): boolean {
  if ("path" in a || "path" in b) {
    // The runtime says null for a socket without a name, we an empty path.
    return "path" in a && "path" in b && (a.path ?? "") === (b.path ?? "");
  }
  return a.port === b.port && canonical(a.hostname) === canonical(b.hostname);
}

/** One spelling a host: IPv4-mapped as IPv4, no zone (`fe80::1%eth0`). */
function canonical(hostname: string): string {
  return hostname.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}
