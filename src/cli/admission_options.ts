/**
 * The options of `mpserv serve` that say who is served, who waits, and who is refused.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import type { GateOptions } from "../server/gate.ts";
import type { Network } from "../server/networks.ts";
import type { Rate } from "../server/rate.ts";
import { count, networks, valueOf } from "./arguments.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";
import { parseEscapes, parseRate, parseSourcePrefix } from "./values.ts";

/** What was typed of them. */
export interface AdmissionOptions {
  /** Connections at a time; 0 for no limit. */
  maxConnections: number;
  /** Connections of one source at a time; undefined for no limit. */
  maxPerSource?: number | undefined;
  /** Bits of an address that make its source. */
  sourcePrefix: GateOptions["sourcePrefix"];
  /** How fast connections may come. */
  rate?: Rate | undefined;
  /** How fast connections of one source may come. */
  ratePerSource?: Rate | undefined;
  /** What happens to those who are too many. */
  overload: GateOptions["overload"];
  /** What those are told who are refused. */
  busyMessage?: Uint8Array<ArrayBuffer> | undefined;
  /** Who may connect. */
  allow?: Network[] | undefined;
  /** Who may not. */
  deny?: Network[] | undefined;
  /** Whom no limit concerns. */
  exempt?: Network[] | undefined;
}

/** `--max-connections`. */
export const maxConnectionsOption = () =>
  new Option(
    "--max-connections <n>",
    "connections at a time; 0 for no limit",
  ).argParser(count("number of connections")).default(1024);

/** `--max-per-source`. */
export const maxPerSourceOption = () =>
  new Option(
    "--max-per-source <n>",
    "connections of one source at a time; those beyond are refused",
  ).argParser(count("number of connections", 1));

/** `--source-prefix`. */
export const sourcePrefixOption = () =>
  new Option(
    "--source-prefix <v4,v6>",
    "how many bits of an address make its source",
  ).argParser(valueOf(parseSourcePrefix))
    .default({ ipv4: 32, ipv6: 64 }, "32,64");

/** `--rate`. */
export const rateOption = () =>
  new Option(
    "--rate <n/d[:burst]>",
    "connections in a time, such as 100/1s or 100/1s:500",
  ).argParser(valueOf(parseRate));

/** `--rate-per-source`. */
export const ratePerSourceOption = () =>
  new Option(
    "--rate-per-source <n/d[:burst]>",
    "connections of one source in a time; those beyond are refused",
  ).argParser(valueOf(parseRate));

/** `--overload`. */
export const overloadOption = () =>
  new Option(
    "--overload <how>",
    "what happens beyond --max-connections and --rate: wait in the backlog, or be refused",
  ).choices(["wait", "refuse"] as const).default("wait" as const);

/** `--busy-message`. */
export const busyMessageOption = () =>
  new Option(
    "--busy-message <text>",
    "what those are told who are refused; \\r \\n \\t \\\\ \\xHH stand for bytes",
  ).argParser(valueOf(parseEscapes));

/** `--allow`. */
export const allowOption = () =>
  new Option(
    "--allow <cidrs>",
    "serve these networks alone, such as 10.0.0.0/8,2001:db8::/32",
  ).argParser(networks);

/** `--deny`. */
export const denyOption = () =>
  new Option(
    "--deny <cidrs>",
    "do not serve these networks; of both lists the more specific counts",
  ).argParser(networks);

/** `--exempt`. */
export const exemptOption = () =>
  new Option(
    "--exempt <cidrs>",
    "no limit concerns these networks, and they do not count",
  ).argParser(networks);

/** Options that need an IP address. */
const BY_ADDRESS = [
  "maxPerSource",
  "ratePerSource",
  "allow",
  "deny",
  "exempt",
] as const;

/**
 * What the options mean to the server.
 *
 * @param options What was typed.
 * @param clientsHaveAddresses Whether clients have IP addresses: those of a Unix domain socket have
 *   none, unless a proxy says them.
 * @returns How its gate works.
 * @throws {UserError} When they do not go together.
 */
export function gateOptions(
  options: AdmissionOptions,
  clientsHaveAddresses: boolean,
): GateOptions {
  const { maxConnections, maxPerSource, allow, deny, exempt } = options;
  for (const name of clientsHaveAddresses ? [] : BY_ADDRESS) {
    if (options[name] === undefined) continue;
    const flag = name.replaceAll(/[A-Z]/g, (a) => `-${a.toLowerCase()}`);
    throw new UserError(
      `Cannot use --${flag} with --unix: clients of a Unix domain socket have no address: use --max-connections or --rate`,
      EXIT_USAGE,
    );
  }
  return {
    ...options,
    maxConnections: maxConnections === 0 ? Infinity : maxConnections,
    maxPerSource: maxPerSource ?? Infinity,
    busyMessage: options.busyMessage ?? new Uint8Array(0),
    allow: allow ?? [],
    deny: deny ?? [],
    exempt: exempt ?? [],
  };
}
