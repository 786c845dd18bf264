/**
 * Limits of time for programs, as far as this system supports them.
 *
 * @module
 */
import type { Address } from "../../posix/net/address.ts";
import {
  hasSocketDiagnostics,
  tcpConnections,
} from "../../posix/net/socket_diagnostics.ts";
import {
  type TrafficLimits,
  TrafficWatch,
  type WatchedServer,
} from "../../server/traffic_watch.ts";
import { EXIT_REFUSED, EXIT_USAGE, UserError } from "../terminal.ts";

/**
 * Finds out whether a listener's connections can be watched. Throws `UserError` when they cannot; the message says
 * why.
 */
export function prepareTrafficWatch(
  address: Address,
  limits: TrafficLimits,
): (server: WatchedServer) => Disposable {
  const refuse = (why: string): never => {
    const flag = limits.idleTimeout ? "--idle-timeout" : "--first-byte-timeout";
    throw new UserError(
      `Cannot use ${flag} with a program ${why}: use --max-lifetime`,
      "path" in address ? EXIT_USAGE : EXIT_REFUSED,
    );
  };
  if ("path" in address) {
    return refuse(
      "on a Unix domain socket: the system does not say when it last moved",
    );
  }
  if (!hasSocketDiagnostics) {
    return refuse("on this system: it does not say when a socket last moved");
  }
  try {
    tcpConnections(address);
  } catch (error) {
    return refuse(`here: ${(error as Error).message}`);
  }
  return (server) => new TrafficWatch(server, address, limits);
}
