/**
 * The PROXY protocol: what a server loads that stands behind proxies.
 *
 * @module
 */
import type { Watcher } from "../../posix/watcher.ts";
import { HeaderReader } from "./header_reader.ts";
import { type ProxyPeers, type Trust, trustOf } from "./peers.ts";

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
 * @param peers Who.
 * @param timeout How long a header may take, in milliseconds.
 * @returns What a server needs.
 */
export function proxySource(peers: ProxyPeers, timeout: number): ProxySource {
  const trusts = trustOf(peers);
  return (watcher) => ({
    trusts,
    headers: new HeaderReader(watcher, timeout),
  });
}
