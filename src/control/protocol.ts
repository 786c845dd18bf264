/**
 * The wire between a running server and the commands that ask it.
 *
 * 1. The server listens on a Unix domain socket of mode 0600. It hangs up on whoever is not its own user,
 *    by the kernel's word, and on the processes that serve and all that descends from them. A client
 *    hangs up where the server is not its own user's, or could be replaced by another user.
 * 2. A client sends a request: one line of JSON, of {@linkcode REQUEST_SIZE} bytes at most. The server
 *    answers with one line of JSON, `{"ok":true,…}` or `{"ok":false,"error":"…"}`, and the client may
 *    ask again.
 * 3. A client that needs more than {@linkcode PATIENCE} milliseconds for a request, for reading the
 *    answer, or until its next request, is hung up on. {@linkcode MOST_CLIENTS} are heard at a time;
 *    more wait.
 * 4. To `listener` the server answers with its listening socket, a descriptor as ancillary data of the
 *    answer's first byte; the whole answer fits one message. It goes on serving. From then on it waits
 *    for that client without a limit: if it hung up, the two could not agree who serves.
 * 5. To `yield`, which must come on the connection on which it answered `listener`, the server stops
 *    accepting, leaves the listening socket to the client, and drains. End of file without `yield` means
 *    that the client could not serve: the server goes on as if nothing had been.
 * 6. To `events` the server answers with a line that says who it is and what time it is, and then with a line of
 *    JSON for everything that happens (`event_lines.ts`), until one of the two hangs up. What a slow client does
 *    not read in time is left out, and it is told how many lines that were; one that reads nothing for a minute is
 *    hung up on. With `perSecond`, the same goes for all but so many connections a second: those that are told are
 *    told whole. The client asks nothing more on this connection.
 *
 * @module
 */
import type {
  ProcessEntry,
  ProcessState,
  RewindState,
} from "../model/model.ts";
import type { TotalsSnapshot, Via } from "../server/events.ts";

/** Bytes of a request at most, its line's end included. */
export const REQUEST_SIZE = 4096;
/** How long a client may take for a request, an answer, or until the next request, in milliseconds. */
export const PATIENCE = 5_000;
/** How many clients are heard at a time. */
export const MOST_CLIENTS = 16;

export type Request =
  | { readonly command: "status" }
  | { readonly command: "connections" }
  | { readonly command: "processes" }
  | { readonly command: "drop"; readonly id: number }
  | { readonly command: "drain" }
  | {
    readonly command: "events";
    /** How many connections a second are told, each from its beginning to its end; without it, all. */
    readonly perSecond?: number;
  }
  | { readonly command: "listener" }
  | { readonly command: "yield" };

/** The answer to `status`. */
export interface Status {
  readonly pid: number;
  readonly version: string;
  /** Whether it accepts, or lets its last connections finish. */
  readonly state: "serving" | "draining";
  /** Where it listens, as text. */
  readonly address: string;
  /** The same in parts. */
  readonly listener: Deno.NetAddr | Deno.UnixAddr;
  /** Milliseconds since it was started. */
  readonly uptime: number;
  readonly model: string;
  /** Why that is not a better one; null when it is. */
  readonly why: string | null;
  /**
   * How its processes rewind their memory; null where a process serves one connection, missing in what an older server
   * says.
   */
  readonly rewinding?: RewindState | null;
  /** The counts of its connections. */
  readonly totals: TotalsSnapshot;
  /** Connections that no process has been handed yet. */
  readonly waiting: number;
  /** How many processes fork others. */
  readonly zygotes: number;
  /** How many connection processes stand where. */
  readonly children: Readonly<Record<ProcessState, number>>;
}

/** One connection, in the answer to `connections`. */
export interface ConnectionRow {
  /** Counts the server's connections from 1. */
  readonly id: number;
  readonly peer: string;
  /** The proxy that the client came by; left out where it came by none. */
  readonly via?: Via;
  /** The process that serves it; 0 until one took it. */
  readonly pid: number;
  /** Milliseconds since it was accepted. */
  readonly age: number;
}

/** The answer to each request, besides `ok`. */
export interface Answers {
  readonly status: Status;
  /** Its connections, oldest first. */
  readonly connections: { readonly connections: readonly ConnectionRow[] };
  /** The processes that serve. */
  readonly processes: { readonly processes: readonly ProcessEntry[] };
  /** The client whose connection is being closed. */
  readonly drop: { readonly peer: string };
  /** How many connections may still finish. */
  readonly drain: { readonly live: number };
  /** The server that the following lines describe. */
  readonly events: {
    readonly pid: number;
    /** The moment on the clock of the events, in microseconds. */
    readonly at: number;
    /** The same moment, in milliseconds since 1970. */
    readonly time: number;
  };
  /** Where the socket listens that comes along. */
  readonly listener: {
    /** The server that has it. */
    readonly pid: number;
    readonly address: Deno.NetAddr | Deno.UnixAddr;
    /** Whether a service manager goes on with it. */
    readonly isManaged: boolean;
  };
  /** How many connections the server lets finish. */
  readonly yield: { readonly live: number };
}
