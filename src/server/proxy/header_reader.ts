/**
 * The stage between accept and admission: connections whose proxy has yet to say who the client is.
 *
 * @module
 */
import { POLLIN } from "../../posix/abi.ts";
import { PosixError } from "../../posix/errno.ts";
import { peekNow, receiveNow } from "../../posix/io.ts";
import type { Accepted } from "../../posix/sockets.ts";
import type { Watcher } from "../../posix/watcher.ts";
import { MAX_HEADER, type ProxyHeader, ProxyHeaderError } from "./header.ts";
import { readProxyHeader } from "./parse.ts";

/** What becomes of connections. Of each it is told one of them, once. */
export interface HeaderEvents {
  /**
   * The header has come; the client's first byte is the next to be read.
   *
   * @param connection The connection, from here on the receiver's, with the client's address.
   * @param proxy The proxy's `struct sockaddr`.
   */
  complete(connection: Accepted, proxy: Uint8Array<ArrayBuffer>): void;
  /**
   * No header in order came; the connection is closed.
   *
   * @param proxy The proxy's `struct sockaddr`.
   * @param why What was wrong.
   */
  failed(proxy: Uint8Array<ArrayBuffer>, why: string): void;
}

/** A connection whose header is not whole. */
interface Pending {
  readonly connection: Accepted;
  /** The part of the header that has been taken from the socket. */
  part: Uint8Array<ArrayBuffer>;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** What is seen of all connections, one after the other. */
const seen = new Uint8Array(MAX_HEADER);

/**
 * Reads headers as they come, never waiting for one, and never a byte beyond. Bytes are looked at
 * first (`recv(2)` MSG_PEEK) and taken when they are known to be part of a header: so a header that
 * comes in pieces does not leave its socket ready for ever.
 */
export class HeaderReader {
  readonly #watcher: Watcher;
  readonly #timeout: number;
  readonly #events: HeaderEvents;
  readonly #pending = new Map<number, Pending>();
  #empty: PromiseWithResolvers<void> | undefined;

  /**
   * Makes one.
   *
   * @param watcher Says when bytes have come.
   * @param timeout How long a header may take, in milliseconds.
   * @param events Is told what becomes of connections.
   */
  constructor(watcher: Watcher, timeout: number, events: HeaderEvents) {
    this.#watcher = watcher;
    this.#timeout = timeout;
    this.#events = events;
  }

  /** How many connections wait for their header. */
  get waiting(): number {
    return this.#pending.size;
  }

  /**
   * Waits for a connection's header; if it has come already, it is told before this returns.
   *
   * @param connection The connection, from here on the reader's.
   */
  add(connection: Accepted): void {
    const fd = connection.fd.number;
    const pending: Pending = {
      connection,
      part: new Uint8Array(0),
      timer: undefined,
    };
    this.#pending.set(fd, pending);
    this.#read(fd);
    if (!this.#pending.has(fd)) return;
    this.#watcher.watch(fd, POLLIN, () => this.#read(fd));
    pending.timer = setTimeout(
      () => this.#fail(fd, "it did not come in time"),
      this.#timeout,
    );
  }

  /** Resolves when no connection waits any more; each has its time limit. */
  settled(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers();
    return this.#empty.promise;
  }

  /** Closes every connection that waits. */
  close(): void {
    for (const fd of [...this.#pending.keys()]) {
      this.#fail(fd, "the server ends");
    }
  }

  #read(fd: number): void {
    const pending = this.#pending.get(fd);
    if (!pending) return;
    try {
      const header = advance(pending);
      if (header === null) return;
      const { connection } = this.#settle(fd);
      const peer = header.source ?? connection.peer;
      this.#events.complete({ ...connection, peer }, connection.peer);
    } catch (error) {
      const told = error instanceof ProxyHeaderError ||
        error instanceof PosixError;
      if (!told) throw error;
      this.#fail(fd, error.message);
    }
  }

  #fail(fd: number, why: string): void {
    const { connection } = this.#settle(fd);
    connection.fd.close();
    this.#events.failed(connection.peer, why);
  }

  /** It waits no more. */
  #settle(fd: number): Pending {
    const pending = this.#pending.get(fd)!;
    clearTimeout(pending.timer);
    this.#watcher.unwatch(fd);
    this.#pending.delete(fd);
    if (this.#pending.size === 0) this.#empty?.resolve();
    return pending;
  }
}

/** Takes what has come of the header; null when it is not whole yet. */
function advance(pending: Pending): ProxyHeader | null {
  const { connection: { fd }, part } = pending;
  seen.set(part);
  const room = seen.subarray(part.length);
  const count = peekNow(fd.number, room);
  if (count < 0) return null;
  if (count === 0) {
    throw new ProxyHeaderError("the connection ended before it was whole");
  }
  const bytes = seen.subarray(0, part.length + count);
  const header = readProxyHeader(bytes);
  const end = header?.length ?? bytes.length;
  receiveNow(fd.number, room.subarray(0, end - part.length));
  if (header === null) pending.part = bytes.slice();
  return header;
}
