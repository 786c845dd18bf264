/**
 * What a program learns of its connection: variables of its environment, by the names of UCSPI
 * (tcp-environ(5), unix-environ(5)) and of systemd.socket(5).
 *
 * @module
 */
import type { Address } from "../posix/net/address.ts";
import type { Peer } from "../posix/net/credentials.ts";

/** Names that mean a connection, and must not reach a program from the server's own environment. */
const NAMES =
  /^(PROTO|(TCP|UNIX|IPC)(LOCAL|REMOTE|CONN)\w*|REMOTE_(ADDR|PORT))$/;

/** How much room the variables of any connection need: the longest path of a socket is 108 bytes. */
export const ROOM = { bytes: 1024, variables: 10 } as const;

/** What is told of a connection. */
export interface ConnectionFacts {
  /** Counts the connections of the server from 1. */
  readonly id: number;
  /** The server's end. */
  readonly local: Address;
  /** The client's end. */
  readonly remote: Address;
  /** Who the client is; null where the system does not say, as over TCP. */
  readonly peer: Peer | null;
}

/** The environment that programs share: the server's own. */
export function inheritedVariables(
  env: Readonly<Record<string, string>>,
): string[] {
  return Object.entries(env)
    .filter(([name]) => !NAMES.test(name))
    .map(([name, value]) => `${name}=${value}`);
}

/** The variables of one connection. */
export function connectionVariables(
  { id, local, remote, peer }: ConnectionFacts,
): string[] {
  if ("path" in remote) {
    const named = remote.path !== "";
    return [
      "PROTO=UNIX",
      ...("path" in local ? [`UNIXLOCALPATH=${local.path}`] : []),
      `UNIXCONNNUM=${id}`,
      ...(peer === null ? [] : [
        `UNIXREMOTEPID=${peer.pid}`,
        `UNIXREMOTEEUID=${peer.uid}`,
        `UNIXREMOTEEGID=${peer.gid}`,
      ]),
      ...(named
        ? [`UNIXREMOTEPATH=${remote.path}`, `REMOTE_ADDR=${remote.path}`]
        : []),
    ];
  }
  return [
    "PROTO=TCP",
    // A proxy may speak for a client of TCP over a Unix domain socket.
    ...("path" in local
      ? []
      : [`TCPLOCALIP=${local.hostname}`, `TCPLOCALPORT=${local.port}`]),
    `TCPREMOTEIP=${remote.hostname}`,
    `TCPREMOTEPORT=${remote.port}`,
    `TCPCONNNUM=${id}`,
    `REMOTE_ADDR=${remote.hostname}`,
    `REMOTE_PORT=${remote.port}`,
  ];
}
