/**
 * The options of `mpserv serve` for its address and its limits of connections.
 *
 * @module
 */
import type { GateOptions } from "../../../server/gate.ts";
import type { ProxyPeers } from "../../../server/proxy/proxy_source.ts";
import {
  choice,
  count,
  durationOr,
  everyday,
  flag,
  group,
  named,
  networks,
  option,
  or,
  readNetworks,
  type Values,
} from "../../options.ts";
import { EXIT_USAGE, UserError } from "../../terminal.ts";
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  parseEscapes,
  parseHost,
  parsePort,
  parseRate,
  parseSourcePrefix,
} from "../../values.ts";

/** The word for every peer on a Unix domain socket. */
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

const COUNTED = "number of connections";

/** The table. */
export const ADMISSION = group("Limits of connections", {
  maxConnections: everyday(or(
    count("connections at a time; 0: no limit", COUNTED),
    1024,
  )),
  maxPerSource: count(
    "connections at a time per source address; more are refused",
    COUNTED,
    1,
  ),
  sourcePrefix: or(
    option(
      "<v4,v6>",
      "bits of an address that identify its source",
      parseSourcePrefix,
    ),
    { ipv4: 32, ipv6: 64 },
    "32,64",
  ),
  rate: option(
    "<rate>",
    "new connections per time, such as 100/1s; with a burst: 100/1s:500",
    parseRate,
  ),
  ratePerSource: option(
    "<rate>",
    "new connections per time and source; more are refused",
    parseRate,
  ),
  overload: or(
    choice(
      "<how>",
      "how to treat clients beyond --max-connections or --rate",
      ["wait", "refuse"],
    ),
    "wait",
  ),
  busyMessage: option(
    "<text>",
    "text sent to refused clients; \\r \\n \\t \\\\ \\xHH stand for bytes",
    parseEscapes,
  ),
  allow: networks("serve only these networks"),
  deny: networks("refuse these networks; the longer prefix wins over --allow"),
  exempt: networks("networks exempt from all limits and counts"),
});

/** The values that were typed. */
type AdmissionArguments = Values<typeof ADMISSION>;

/** Options that need an IP address. */
const BY_ADDRESS = {
  "max-per-source": "maxPerSource",
  "rate-per-source": "ratePerSource",
  "allow": "allow",
  "deny": "deny",
  "exempt": "exempt",
} as const;

/**
 * Checks the options against where the server listens. `clientsHaveAddresses`: whether clients have IP addresses:
 * those of a Unix domain socket have none, unless a proxy says them. Throws `UserError` when they do not go together.
 */
export function checkAdmission(
  options: AdmissionArguments,
  clientsHaveAddresses: boolean,
): void {
  if (clientsHaveAddresses) return;
  for (const [flag, name] of Object.entries(BY_ADDRESS)) {
    if (options[name] === undefined) continue;
    throw new UserError(
      `Cannot use --${flag} with --unix: clients of a Unix domain socket have no address: use --max-connections or --rate`,
      EXIT_USAGE,
    );
  }
}

/** Converts the options to those of the server. */
export function gateOptions(options: AdmissionArguments): GateOptions {
  const { maxConnections, maxPerSource, rate, ratePerSource } = options;
  const { sourcePrefix, overload, busyMessage, allow, deny, exempt } = options;
  return {
    sourcePrefix,
    overload,
    rate,
    ratePerSource,
    maxConnections: maxConnections === 0 ? Infinity : maxConnections,
    maxPerSource: maxPerSource ?? Infinity,
    busyMessage: busyMessage ?? new Uint8Array(0),
    allow: allow ?? [],
    deny: deny ?? [],
    exempt: exempt ?? [],
  };
}
