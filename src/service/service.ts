/**
 * The types of a service and its connection: everything that a service sees of this program.
 *
 * @module
 */

/** The address of one end: TCP, or a Unix domain socket (an empty path when it has no name). */
export type ConnectionAddress = Deno.NetAddr | Deno.UnixAddr;

/**
 * A connection, served by the process that the service runs in. It is a `Deno.TcpConn` (and on a Unix
 * domain socket, as `Connection<Deno.UnixAddr>`, a `Deno.UnixConn`), so that code written for one runs
 * unchanged, and has some more.
 */
export interface Connection<
  Address extends ConnectionAddress = Deno.NetAddr,
> extends Deno.Conn<Address> {
  /** Counts the connections of this server from 1. */
  readonly id: number;
  /** The address of the client. */
  readonly remoteAddr: Address;
  /** The address that the client connected to. */
  readonly localAddr: Address;
  /** Aborted when the server drains: finish what is begun, begin nothing new. */
  readonly signal: AbortSignal;
  /** The client's bytes; ends at its half-close. Cancelling it closes the connection. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * The bytes for the client: any `ArrayBuffer` or view of one. Closing it ends this side, aborting it closes
   * the connection.
   */
  readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;

  /**
   * Waits for bytes.
   *
   * @param buffer Where to put them.
   * @returns How many came, 0 only where there is no room for one; null when the client ended its side
   *   (half-close).
   * @throws {TypeError} When the buffer is no `Uint8Array`.
   * @throws {Deno.errors.ConnectionReset} When the client reset the connection.
   * @throws {Deno.errors.TimedOut} When nothing came for the idle time-out.
   * @throws {Deno.errors.BadResource} When the connection is closed.
   */
  read(buffer: Uint8Array): Promise<number | null>;

  /**
   * Sends all bytes.
   *
   * @param bytes What to send.
   * @returns How many were sent: all of them, when the system has taken them.
   * @throws {TypeError} When they are no `Uint8Array`.
   * @throws {Deno.errors.BrokenPipe} When the client is gone.
   * @throws {Deno.errors.TimedOut} When nothing went for the idle time-out.
   * @throws {Deno.errors.BadResource} When the connection is closed.
   */
  write(bytes: Uint8Array): Promise<number>;

  /**
   * As {@linkcode read}, but blocks the process, which costs less.
   *
   * @param buffer Where to put the bytes.
   * @returns How many came; null when the client ended its side.
   */
  readSync(buffer: Uint8Array): number | null;

  /**
   * As {@linkcode write}, but blocks the process, which costs less.
   *
   * @param bytes What to send.
   * @returns How many were sent: all of them.
   */
  writeSync(bytes: Uint8Array): number;

  /**
   * Ends this side: the client reads to its end of file, and may still send (half-close).
   *
   * @returns Resolves when it is done.
   */
  closeWrite(): Promise<void>;

  /** Closes the connection; again is harmless. */
  close(): void;

  /**
   * Whether what is small is sent at once, or waits until the client has acknowledged what was sent
   * before (Nagle's algorithm: TCP_NODELAY, tcp(7)). On a Unix domain socket nothing ever waits.
   *
   * @param noDelay True to send at once.
   */
  setNoDelay(noDelay?: boolean): void;

  /**
   * Whether the system asks a silent client now and then if it is still there (SO_KEEPALIVE, socket(7)).
   *
   * @param keepAlive True to ask.
   */
  setKeepAlive(keepAlive?: boolean): void;

  /** Undoes {@linkcode unref}. */
  ref(): void;

  /**
   * Declares that reads and writes which are still pending may be given up when the handler is done: it
   * is not warned about them. The process lives as long as its handler runs, whatever is pending.
   */
  unref(): void;
}

/** A connection of either kind. */
export type AnyConnection = Connection<ConnectionAddress>;

/**
 * Serves one connection. What it returns is awaited if it has a method `then`. The connection is closed
 * when it returns, resolves, throws or rejects; if all went well the client reads its end of file at
 * once, and what it still sends until it closes, too, is thrown away (for 30 seconds at most, and no
 * longer than it pauses for one).
 */
export type Service<Address extends ConnectionAddress = Deno.NetAddr> = (
  connection: Connection<Address>,
) => void | PromiseLike<unknown>;

/**
 * Sends as {@linkcode Connection.writeSync} does, but throws away what the client sends meanwhile: a client that
 * sends before it reads would otherwise wait for this end, and this end for the client.
 */
export type SendOnly = (connection: AnyConnection, bytes: Uint8Array) => void;

/** A {@linkcode Service}, or one of the built-in ones. */
export type AnyService = (
  connection: AnyConnection,
  sendOnly: SendOnly,
) => void | PromiseLike<unknown>;
