/**
 * What a service is, and the connection that it gets: all that a service sees of this program.
 *
 * @module
 */

/** The address of one end: TCP, or a Unix domain socket (an empty path when it has no name). */
export type ConnectionAddress = Deno.NetAddr | Deno.UnixAddr;

/**
 * A connection, served by the process that the service runs in. It has the shape of `Deno.Conn`, so
 * that code written for one runs unchanged, and some more.
 */
export interface Connection extends Disposable {
  /** Counts the connections of this server from 1. */
  readonly id: number;
  /** The address of the client. */
  readonly remoteAddr: ConnectionAddress;
  /** The address that the client connected to. */
  readonly localAddr: ConnectionAddress;
  /** Aborted when the server drains: finish what is begun, begin nothing new. */
  readonly signal: AbortSignal;
  /** What the client sends; ends at its half-close. Cancelling it closes the connection. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the client gets; closing it ends this side, aborting it closes the connection. */
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;

  /**
   * Waits for bytes.
   *
   * @param buffer Where to put them.
   * @returns How many came; null when the client ended its side (half-close).
   * @throws {Deno.errors.ConnectionReset} When the client reset the connection.
   * @throws {Deno.errors.TimedOut} When nothing came for the idle time-out.
   * @throws {Deno.errors.BadResource} When the connection is closed.
   */
  read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null>;

  /**
   * Sends all bytes.
   *
   * @param bytes What to send.
   * @returns How many were sent: all of them, when the system has taken them.
   * @throws {Deno.errors.BrokenPipe} When the client is gone.
   * @throws {Deno.errors.TimedOut} When nothing went for the idle time-out.
   * @throws {Deno.errors.BadResource} When the connection is closed.
   */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;

  /**
   * As {@linkcode read}, but blocks the process, which costs less.
   *
   * @param buffer Where to put the bytes.
   * @returns How many came; null when the client ended its side.
   */
  readSync(buffer: Uint8Array<ArrayBuffer>): number | null;

  /**
   * As {@linkcode write}, but blocks the process, which costs less.
   *
   * @param bytes What to send.
   * @returns How many were sent: all of them.
   */
  writeSync(bytes: Uint8Array<ArrayBuffer>): number;

  /**
   * Ends this side: the client reads to its end of file, and may still send (half-close).
   *
   * @returns Resolves when it is done.
   */
  closeWrite(): Promise<void>;

  /** Closes the connection; again is harmless. */
  close(): void;
}

/**
 * Serves one connection. The connection is closed when it returns, resolves, throws or rejects; if all
 * went well the client reads its end of file at once, and what it still sends until it closes, too, is
 * thrown away (for 30 seconds at most, and no longer than it pauses for one).
 */
export type Service = (connection: Connection) => void | Promise<void>;

/** A connection whose client says nothing that matters: what the built-in services have beside the above. */
export interface TellingConnection extends Connection {
  /**
   * As {@linkcode Connection.writeSync}, but throws away what the client sends meanwhile: a client that
   * sends before it reads would otherwise wait for this end, and this end for the client.
   *
   * @param bytes What to send.
   * @returns How many were sent: all of them.
   */
  tellSync(bytes: Uint8Array<ArrayBuffer>): number;
}

/** A {@linkcode Service}, or one of the built-in ones. */
export type AnyService = (
  connection: TellingConnection,
) => void | Promise<void>;
