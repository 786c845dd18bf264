/**
 * The options of `mpserv serve` for standing behind a proxy.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import type { ProxyPeers } from "../server/proxy/peers.ts";
import { duration, networks } from "./arguments.ts";

/** What was typed of them. */
export interface ProxyOptions {
  /** The peers that are proxies. */
  proxyProtocol?: ProxyPeers | undefined;
  /** Milliseconds that a header may take. */
  proxyTimeout: number;
}

/** What stands for every peer on a Unix domain socket. */
const UNIX = "unix";

/** `--proxy-protocol`. */
export const proxyProtocolOption = () =>
  new Option(
    "--proxy-protocol <cidrs>",
    "only these proxies may connect, each connection with a PROXY protocol header, v1 or v2; unix for those on a Unix socket",
  ).argParser(peers);

/** `--proxy-timeout`: the specification wants 3 seconds at least, for a segment that is lost. */
export const proxyTimeoutOption = () =>
  duration(
    "--proxy-timeout <d>",
    "close a connection whose PROXY protocol header takes longer",
  ).default(5_000, "5s");

/** Networks and `unix`, with commas between them; given again, it adds to them. */
function peers(text: string, before: ProxyPeers | undefined): ProxyPeers {
  const all = text.split(",");
  const others = all.filter((part) => part.trim() !== UNIX);
  return {
    networks: others.length === 0
      ? before?.networks ?? []
      : networks(others.join(","), [...before?.networks ?? []]),
    unix: (before?.unix ?? false) || others.length < all.length,
  };
}
