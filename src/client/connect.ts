/**
 * Connecting, and what may stand in the way.
 *
 * @module
 */
import { formatAddress } from "../posix/net/address.ts";
import { reasonOf } from "../posix/reason.ts";
import { connections, findConnection } from "../posix/net/runtime_sockets.ts";
import type { ClientOptions } from "./client.ts";

/** Where to connect to: TCP by name or address, or a Unix domain socket by path. */
export type Target = Deno.NetAddr | Deno.UnixAddr;

/** A connection, in the runtime's event loop and known by its descriptor. */
export interface Connection extends Disposable {
  /** Its descriptor, non-blocking, borrowed until this is disposed of. */
  readonly fd: number;
}

/**
 * Connects to a server.
 *
 * @param timeout Milliseconds that it may take; 0 for as long as the system tries.
 * @returns The connection, the caller's to dispose of; that also ends it for other processes.
 * @throws {Error} When the server does not answer or the system refuses; the message is for a person.
 */
export async function connect(
  target: Target,
  timeout: number,
): Promise<Connection> {
  const before = connections();
  const conn = await dial(target, timeout);
  const fd = findConnection(conn.localAddr, conn.remoteAddr, before);
  return { fd, [Symbol.dispose]: () => conn.close() };
}

async function dial(target: Target, timeout: number): Promise<Deno.Conn> {
  const name = formatAddress(target);
  const late = Promise.withResolvers<never>();
  const timer = timeout === 0 ? undefined : setTimeout(() => {
    const reason = `no answer within ${timeout / 1000}s`;
    late.reject(
      new Error(
        `Cannot connect to "${name}": ${reason}: is the address right?`,
      ),
    );
  }, timeout);
  const dialing = open(target).catch((error) => {
    throw new Error(
      `Cannot connect to "${name}": ${reasonOf(error)}${hint(error, target)}`,
    );
  });
  try {
    return await Promise.race([dialing, late.promise]);
  } catch (error) {
    dialing.then((conn) => conn.close(), () => {}); // one that comes too late is nobody's
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function open(target: Target): Promise<Deno.Conn> {
  if ("path" in target) {
    return await Deno.connect({ transport: "unix", path: target.path });
  }
  return await Deno.connect({ hostname: target.hostname, port: target.port });
}

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "is the server running?",
  ENOENT: "is the server running?",
  EACCES: "do you have the right to use it?",
  EAGAIN: "the server has no room for more connections",
  ENETUNREACH: "is the address right?",
  EHOSTUNREACH: "is the address right?",
  ETIMEDOUT: "is the address right?",
};

function hint(error: Error & { code?: string }, target: Target): string {
  if (error.code === "EINVAL") {
    return "path" in target
      ? ": use a shorter path"
      : `: name the interface, too, such as ${target.hostname}%eth0`; // link-local, ipv6(7)
  }
  // Neither an unknown name nor an impossible one comes with a code.
  const text = /lookup|invalid host/.test(error.message)
    ? "check the host name"
    : HINTS[error.code ?? ""];
  return text === undefined ? "" : `: ${text}`;
}

/**
 * Says whom the client is connected to and how to end, if a person sits at a terminal and nothing else
 * hears or reads along.
 */
export function greet(options: ClientOptions): void {
  const streams = [Deno.stdin, Deno.stdout, Deno.stderr];
  if (!streams.every((stream) => stream.isTerminal())) return;
  const name = formatAddress(options.target);
  const line = `Connected to ${name}: ${howToEnd(options)} ends\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

function howToEnd({ raw, noShutdown }: ClientOptions): string {
  const ways = [
    ...(raw ? [] : ['a line "q"']),
    ...(noShutdown ? [] : ["Ctrl-D"]),
  ];
  return ways.length === 0 ? "Ctrl-C" : ways.join(" or ");
}
