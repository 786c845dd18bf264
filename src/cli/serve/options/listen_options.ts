/**
 * The options of `mpserv serve` that say where it listens, and to whom.
 *
 * @module
 */
import type { ProxyPeers } from "../../../server/proxy/mod.ts";
import {
  count,
  durationOr,
  everyday,
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
export const PORT = group("Listen", {
  port: or(
    option(
      "port",
      "TCP port or service name; 0: a free one",
      (text) => parsePort(text),
    ),
    DEFAULT_PORT,
  ),
});

/** The table. */
export const LISTEN = group("Listen", {
  host: everyday(or(
    option("<addr>", "address or host name to listen on", parseHost),
    DEFAULT_HOST,
  )),
  unix: everyday(named(
    "<path>",
    "listen on a Unix domain socket instead",
    "--unix",
    "file",
  )),
  backlog: or(
    count("connections that may wait to be accepted", "backlog", 1),
    4096,
  ),
  noDelay: flag("send small answers at once (TCP_NODELAY)"),
  fdName: named(
    "<name>",
    "serve the socket that systemd passed under this name",
    "--fd-name",
  ),
  proxyProtocol: option(
    "<networks>",
    "accept only these proxies, which must send a PROXY header",
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
