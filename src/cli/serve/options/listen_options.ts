/**
 * The options of `mpserv serve` that say where it listens, and to whom.
 *
 * @module
 */
import type { ProxyPeers } from "../../../server/proxy/mod.ts";
import {
  count,
  durationOr,
  flag,
  group,
  named,
  option,
  or,
  readNetworks,
  type Values,
} from "../../options.ts";
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  parseHost,
  parsePort,
} from "../../values.ts";

/** What stands for every peer on a Unix domain socket. */
const UNIX = "unix";

/** The operand. */
export const PORT = {
  port: or(
    option(
      "port",
      "TCP port, or the name of a service; 0 picks a free one",
      (text) => parsePort(text),
    ),
    DEFAULT_PORT,
  ),
};

/** The table. */
export const LISTEN = group("Listen", {
  host: or(
    option("<addr>", "address or name to listen on", parseHost),
    DEFAULT_HOST,
  ),
  unix: named(
    "<path>",
    "listen on a Unix domain socket instead",
    "--unix",
    "file",
  ),
  backlog: or(
    count("connections that may wait to be accepted", "backlog", 1),
    4096,
  ),
  noDelay: flag("send small answers at once (TCP_NODELAY)"),
  fdName: named(
    "<name>",
    "serve the socket that systemd passed under this FileDescriptorName",
    "--fd-name",
  ),
  proxyProtocol: option(
    "<cidrs>",
    "accept these proxies alone, with a PROXY header; unix: on a Unix socket",
    readPeers,
  ),
  // The specification asks for 3 seconds at least, for a segment that is lost.
  proxyTimeout: durationOr(
    "close a connection if its PROXY header takes longer",
    5_000,
  ),
});

/** What was typed of it. */
export type ListenArguments = Values<typeof LISTEN>;

/** Networks and `unix`, with commas between them; typed again, it adds to them. */
function readPeers(text: string, before: ProxyPeers | undefined): ProxyPeers {
  const all = text.split(",");
  const others = all.filter((part) => part.trim() !== UNIX);
  return {
    networks: others.length === 0
      ? before?.networks ?? []
      : readNetworks(others.join(","), before?.networks),
    unix: (before?.unix ?? false) || others.length < all.length,
  };
}
