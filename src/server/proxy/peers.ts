/**
 * The peers whose PROXY protocol headers count.
 *
 * @module
 */
import { ipOf } from "../../posix/address.ts";
import { type Network, NetworkTable } from "../networks.ts";

/** Who is a proxy. */
export interface ProxyPeers {
  /** Every peer with an address in one of these. */
  readonly networks: readonly Network[];
  /** Whether every peer on a Unix domain socket is one. */
  readonly unix: boolean;
}

/** Says of a peer's `struct sockaddr` whether it is a proxy's. */
export type Trust = (peer: Uint8Array<ArrayBuffer>) => boolean;

/**
 * Looks peers up.
 *
 * @param peers Who is a proxy.
 * @returns Says of a peer whether it is one of them.
 */
export function trustOf({ networks, unix }: ProxyPeers): Trust {
  const table = new NetworkTable<true>();
  for (const network of networks) table.set(network, true);
  return (peer) => {
    const ip = ipOf(peer);
    return ip === null ? unix : table.find(ip) ?? false;
  };
}
