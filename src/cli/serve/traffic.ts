/**
 * Limits of time for programs, as far as this system supports them.
 *
 * @module
 */
import { PosixError } from "../../posix/errno.ts";
import type { Address } from "../../posix/net/address.ts";
import {
  hasSocketDiagnostics,
  type TcpConnection,
  tcpConnections,
} from "../../posix/net/socket_diagnostics.ts";
import type { ConnectionInfo } from "../../server/events.ts";
import type { Reason } from "../../wire/records.ts";
import { EXIT, UserError } from "../terminal.ts";

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
      "path" in address ? EXIT.usage : EXIT.refused,
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

/*
 * Limits of time for connections that programs serve. A process that has become a program keeps no time
 * for us, and the parent has no copy of the connection: the kernel is asked, about all of them at once.
 */

/** How often to ask at least and at most, in milliseconds; in between, four times a limit. */
const PERIOD = { shortest: 50, longest: 1_000 };

/** The limits, in milliseconds; undefined for none. */
interface TrafficLimits {
  /** How long nothing may move. */
  readonly idleTimeout?: number | undefined;
  /** How long the client's first byte may take. */
  readonly firstByteTimeout?: number | undefined;
}

interface WatchedServer {
  connections(): Iterable<ConnectionInfo>;
  end(id: number, reason: Reason): boolean;
}

/** Ends connections in which too little moves. */
class TrafficWatch implements Disposable {
  readonly #server: WatchedServer;
  readonly #listener: Deno.NetAddr;
  readonly #limits: TrafficLimits;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(
    server: WatchedServer,
    listener: Deno.NetAddr,
    limits: TrafficLimits,
  ) {
    this.#server = server;
    this.#listener = listener;
    this.#limits = limits;
    const { idleTimeout = Infinity, firstByteTimeout = Infinity } = limits;
    const quarter = Math.min(idleTimeout, firstByteTimeout) / 4;
    const period = Math.max(
      PERIOD.shortest,
      Math.min(quarter, PERIOD.longest),
    );
    this.#timer = setInterval(() => this.#look(), period);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const served = [...this.#server.connections()].filter(({ pid }) => pid > 0);
    if (served.length === 0) return;
    const known = this.#ask();
    if (!known) return;
    const now = performance.now();
    for (const { id, peer, via, takenAt } of served) {
      const connection = known.get(via?.proxy ?? peer);
      // One that the kernel does not know has ended: its process is about to say so.
      const reason = connection &&
        exceeded(
          {
            ...connection,
            bytesIn: connection.bytesIn - (via?.headerBytes ?? 0),
          },
          now - takenAt,
          this.#limits,
        );
      if (reason) this.#server.end(id, reason);
    }
  }

  #ask(): Map<string, TcpConnection> | null {
    try {
      return tcpConnections(this.#listener);
    } catch (error) {
      if (error instanceof PosixError) return null; // such as EMFILE: the next time tells
      throw error;
    }
  }
}

/**
 * Which limit a connection exceeds. `age`: how long a process has had it, in milliseconds: before that nobody could
 * answer the client. Returns the limit's name; undefined for none.
 */
export function exceeded(
  { sinceReceived, sinceSent, bytesIn, peerEnded }: TcpConnection,
  age: number,
  { idleTimeout = Infinity, firstByteTimeout = Infinity }: TrafficLimits,
): "idle" | "first-byte" | undefined {
  if (bytesIn === 0 && !peerEnded && age >= firstByteTimeout) {
    return "first-byte";
  }
  const idle = Math.min(sinceReceived, sinceSent, age);
  return idle >= idleTimeout ? "idle" : undefined;
}
