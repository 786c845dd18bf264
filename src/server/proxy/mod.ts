/**
 * The PROXY protocol: what a server loads that stands behind proxies.
 *
 * @module
 */
import { ipOf } from "../../posix/net/address.ts";
import type { Watcher } from "../../posix/watcher.ts";
import { type Network, NetworkTable } from "../networks.ts";
import { HeaderReader } from "./header_reader.ts";

/** Who is a proxy. */
export interface ProxyPeers {
  /** Every peer with an address in one of these. */
  readonly networks: readonly Network[];
  /** Whether every peer on a Unix domain socket is one. */
  readonly unix: boolean;
}

/** Says of a peer's `struct sockaddr` whether it is a proxy's. */
export type Trust = (peer: Uint8Array<ArrayBuffer>) => boolean;

/** Looks peers up. */
export function trustOf({ networks, unix }: ProxyPeers): Trust {
  const table = new NetworkTable<true>();
  for (const network of networks) table.set(network, true);
  return (peer) => {
    const ip = ipOf(peer);
    return ip === null ? unix : table.find(ip) ?? false;
  };
}

/** The proxies in front of a server. */
export interface Proxies {
  /** Says of a peer whether it is one of them. */
  readonly trusts: Trust;
  /** Reads what they say of their clients. */
  readonly headers: HeaderReader;
}

/** Readies a server to stand behind proxies. */
export type ProxySource = (watcher: Watcher) => Proxies;

/**
 * Chooses who is a proxy.
 *
 * @param timeout How long a header may take, in milliseconds.
 */
export function proxySource(peers: ProxyPeers, timeout: number): ProxySource {
  const trusts = trustOf(peers);
  return (watcher) => ({
    trusts,
    headers: new HeaderReader(watcher, timeout),
  });
}
