/**
 * The options of `mpserv serve` for its address and its limits of connections.
 *
 * @module
 */
import type { GateOptions } from "../../../server/gate.ts";
import { type Network, parseNetwork } from "../../../server/networks.ts";
import type { ProxyPeers } from "../../../server/proxy/proxy_source.ts";
import {
  choice,
  count,
  durationOr,
  everyday,
  flag,
  group,
  host,
  named,
  option,
  or,
  parseDuration,
  port,
  type Spec,
  type Values,
} from "../../options.ts";
import { EXIT, UserError } from "../../terminal.ts";

/** The word for every peer on a Unix domain socket. */
const UNIX = "unix";

export const PORT = group("Listen", {
  port: port("TCP port or service name; 0: a free one", 0),
});

export const LISTEN = group("Listen", {
  host: everyday(host("<addr>", "address or host name to listen on")),
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

/** Networks, with commas between them; an option that is typed again adds to them. */
function networks(about: string): Spec<Network[] | undefined> {
  return option("<networks>", about, readNetworks);
}

/** Reads networks. Throws `RangeError` when one of them is none. */
function readNetworks(
  text: string,
  before: readonly Network[] | undefined,
): Network[] {
  const more = text.split(",").map((one) => parseNetwork(one.trim()));
  return [...before ?? [], ...more];
}

const COUNTED = "number of connections";

export const ADMISSION = group("Limits of connections", {
  maxConnections: everyday(or(
    count("connections at a time, others wait; 0: no limit", COUNTED),
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
  deny: networks(
    "refuse these networks; if --allow names them too, the longer prefix wins",
  ),
  exempt: networks("networks exempt from all limits and counts"),
});

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
      EXIT.usage,
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

/**
 * A rate such as `100/1s`, `5/1m`, `100/1s:500`. Returns so many in so many milliseconds, and so many at once: as
 * many as the first number if not said. Throws `RangeError` when it is none.
 */
function parseRate(
  text: string,
): { count: number; per: number; burst: number } {
  const [, count, time, burst] =
    /^(\d{1,9})\/(\d+(?:\.\d+)?[a-z]+)(?::(\d{1,9}))?$/.exec(text) ?? [];
  const rate = {
    count: Number(count),
    per: time === undefined ? NaN : parseDuration(time),
    burst: Number(burst ?? count),
  };
  if (rate.count > 0 && rate.per > 0 && rate.burst > 0) return rate;
  throw new RangeError(
    `Cannot use rate "${text}": expected connections, a time, and a burst if there is one, such as 100/1s or 100/1s:500`,
  );
}

/** How many bits of an address make its source, such as `24,56`. Throws `RangeError` when it is none. */
function parseSourcePrefix(
  text: string,
): { ipv4: number; ipv6: number } {
  const [, ipv4, ipv6] = /^(\d{1,3}),(\d{1,3})$/.exec(text) ?? [];
  const prefix = { ipv4: Number(ipv4), ipv6: Number(ipv6) };
  if (prefix.ipv4 <= 32 && prefix.ipv6 <= 128) return prefix;
  throw new RangeError(
    `Cannot use source prefix "${text}": expected bits of IPv4 and of IPv6 addresses, such as 24,56 (32,128 at most)`,
  );
}

/** The longest text that fits into any socket at once. */
const MAX_TEXT = 4096;
const ESCAPES: Readonly<Record<string, number>> = {
  "\\": 0x5c,
  r: 0x0d,
  n: 0x0a,
  t: 0x09,
};

/**
 * Text in which `\r`, `\n`, `\t`, `\\` and `\xHH` stand for bytes. Returns its bytes, UTF-8 but for those. Throws
 * `RangeError` when another escape is in it, or it is too long.
 */
function parseEscapes(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (
    const [part, name] of text.matchAll(/\\(x[\da-fA-F]{2}|[^]|$)|[^\\]+/g)
  ) {
    const code = name?.[0] === "x" && name.length === 3
      ? parseInt(name.slice(1), 16)
      : ESCAPES[name ?? ""];
    if (name !== undefined && code === undefined) {
      throw new RangeError(
        `Cannot use "${part}" in "${text}": expected \\r, \\n, \\t, \\\\ or \\xHH`,
      );
    }
    if (code !== undefined) bytes.push(code);
    else bytes.push(...new TextEncoder().encode(part));
  }
  if (bytes.length <= MAX_TEXT) return new Uint8Array(bytes);
  throw new RangeError(
    `Cannot use a text of ${bytes.length} bytes: expected at most ${MAX_TEXT}`,
  );
}
