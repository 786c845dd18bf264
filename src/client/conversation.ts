/**
 * A conversation with a server: its start and its errors, its idle time, and its result.
 *
 * @module
 */
import { formatAddress } from "../posix/net/address.ts";
import { connections, findConnection } from "../posix/net/runtime_sockets.ts";
import { reasonOf } from "../posix/reason.ts";
import type { WriterReport } from "./writer_reports.ts";

/** Where to connect to: TCP by name or address, or a Unix domain socket by path. */
type Target = Deno.NetAddr | Deno.UnixAddr;

/** How to talk to a server. */
export interface ClientOptions {
  /** The server. */
  readonly target: Target;
  /** The text before every printed line; may be empty. */
  readonly prefix: string;
  /** Copies bytes: no quit line, and the prefix should be empty. */
  readonly raw: boolean;
  /** Milliseconds that connecting may take; 0 for as long as the system tries. */
  readonly connectTimeout: number;
  /** Whether the end of the input leaves the sending side open. */
  readonly noShutdown?: boolean | undefined;
  /** Milliseconds without a byte either way that end it; undefined or 0 for no limit. */
  readonly idleTimeout?: number | undefined;
}

/** A connection, in the runtime's event loop and known by its descriptor. */
interface ServerConnection extends Disposable {
  /** Its descriptor, non-blocking, borrowed until this is disposed of. */
  readonly fd: number;
}

/**
 * Connects to a server. `timeout`: milliseconds that it may take; 0 for as long as the system tries. Returns the
 * connection, the caller's to dispose of; that also ends it for other processes. Throws `Error` when the server does
 * not answer or the system refuses; the message is for a person.
 */
export async function connect(
  target: Target,
  timeout: number,
): Promise<ServerConnection> {
  const before = connections();
  const conn = await dial(target, timeout);
  const fd = findConnection(conn.localAddr, conn.remoteAddr, before);
  return { fd, [Symbol.dispose]: () => conn.close() };
}

async function dial(target: Target, timeout: number): Promise<Deno.Conn> {
  const name = formatAddress(target);
  const late = Promise.withResolvers<never>();
  const giveUp = () => {
    const reason = `no answer within ${timeout / 1000}s`;
    late.reject(
      new Error(
        `Cannot connect to "${name}": ${reason}: is the address right?`,
      ),
    );
  };
  // For `setTimeout` Deno 2.9 loads Node's timers first, which takes 6 to 16 ms.
  const limit = timeout === 0 ? undefined : AbortSignal.timeout(timeout);
  limit?.addEventListener("abort", giveUp);
  const dialing = open(target).catch((error) => {
    throw new Error(
      `Cannot connect to "${name}": ${reasonOf(error)}${hint(error, target)}`,
    );
  });
  try {
    return await Promise.race([dialing, late.promise]);
  } catch (error) {
    dialing.then((conn) => conn.close(), () => {}); // a late one has no owner
    throw error;
  } finally {
    limit?.removeEventListener("abort", giveUp);
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

/** Watches one conversation against a limit. */
export class Idleness {
  readonly #limit: number;
  #since = performance.now();

  /** Begins to count. `limit`: milliseconds; 0 for no limit. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How long to wait for something, in whole milliseconds; -1 forever. */
  get wait(): number {
    if (this.#limit === 0) return -1;
    const left = this.#since + this.#limit - performance.now();
    return Math.max(0, Math.ceil(left));
  }

  /** Something came or went. */
  stir(): void {
    this.#since = performance.now();
  }
}

/** How a conversation ended. */
interface Conversation {
  /** The writer's last report. */
  readonly report: WriterReport;
  /** Bytes that came from the server. */
  readonly received: number;
  /** Why reading failed; null when the server ended its side. */
  readonly failure: string | null;
  /** Whether bytes were only copied, so that nothing is known of what should have come back. */
  readonly raw: boolean;
  /** Milliseconds without a byte either way after which the client gave up; undefined if it did not. */
  readonly idle?: number | undefined;
}

/**
 * Judges a conversation. After a half-close the server has the last word. Where the sending side was left open at the
 * end of the input, time may have it, too. A server that hangs up before it did well when it sent back all that it
 * got; nobody can know that of a raw copy, where only bytes that were taken from the input and not sent are wrong.
 * Returns what to tell the person; null when it went well.
 */
export function verdict(
  { report, received, failure, raw, idle }: Conversation,
): string | null {
  const total = report.sent + report.unsent;
  if (report.kind === "input-failed") {
    return `Cannot read standard input: ${report.text}`;
  }
  const reason = failure ??
    (report.kind === "socket-failed" ? report.text : null);
  if (reason !== null) {
    return `Lost the connection: ${reason}` +
      (raw ? "" : `: ${received} of ${total} bytes came back`);
  }
  if (report.kind === "input-ended") return null;
  if (idle !== undefined) {
    return `Gave up: nothing came or went for ${idle / 1000}s`;
  }
  if (report.kind === "half-closed") return null;
  if (raw) {
    return report.unsent === 0
      ? null
      : `Server closed the connection: ${report.unsent} bytes were not sent`;
  }
  if (received >= total) return null;
  return `Server closed the connection: ${received} of ${total} bytes came back`;
}
