/**
 * The PROXY protocol: what a server loads that stands behind proxies.
 *
 * The stage between accept and admission: connections whose proxy has yet to say who the client is.
 *
 * @module
 */
import { abi } from "../../posix/abi.ts";
import type { Fd } from "../../posix/fd.ts";
import { peekNow, receiveNow } from "../../posix/io.ts";
import { ipOf } from "../../posix/net/address.ts";
import type { Watcher } from "../../posix/watcher.ts";
import { Countdown } from "../countdown.ts";
import { type Network, NetworkTable } from "../networks.ts";
import { MAX_HEADER, ProxyHeaderError, readProxyHeader } from "./header.ts";

/** The result of a connection: exactly one of these is called, once. */
interface HeaderEvents {
  /**
   * The header has come; the client's first byte is the next to be read. `sockaddr`: the client's `struct sockaddr`.
   * `length`: how many bytes the header had.
   */
  complete(sockaddr: Uint8Array<ArrayBuffer>, length: number): void;
  /** No header in order came; the connection is closed. */
  failed(why: string): void;
}

/** A connection whose client is not known. */
interface Identifiable {
  /** The connection, borrowed; closed where no header in order comes. */
  readonly fd: Fd;
  /** The proxy's `struct sockaddr`. */
  readonly sockaddr: Uint8Array<ArrayBuffer>;
}

/** A connection whose header is incomplete. */
interface Pending {
  readonly connection: Identifiable;
  readonly events: HeaderEvents;
  /** The part of the header that has been taken from the socket. */
  part: Uint8Array<ArrayBuffer>;
}

/** How long a header may take while others wait for its place, in milliseconds: a proxy sends it at once. */
const GRACE = 1_000;

/** A buffer for peeking at connections, one after another. */
const seen = new Uint8Array(MAX_HEADER);

/**
 * Reads headers as they come, never waiting for one, and never a byte beyond. Bytes are looked at
 * first (`recv(2)` MSG_PEEK) and taken when they are known to be part of a header: so a header that
 * comes in pieces does not leave its socket ready forever.
 */
export class HeaderReader {
  readonly #watcher: Watcher;
  readonly #limits: Countdown<number>;
  readonly #graces: Countdown<number>;
  readonly #pending = new Map<number, Pending>();
  /** Those that have had their grace, by descriptor, oldest first. */
  readonly #slow = new Set<number>();
  /** Whether the next of these is to make room. */
  #isPressed = false;

  /** `watcher`: says when bytes have come. `timeout`: how long a header may take, in milliseconds. */
  constructor(watcher: Watcher, timeout: number) {
    this.#watcher = watcher;
    this.#limits = new Countdown(
      timeout,
      (fd) => this.#fail(fd, "it did not come in time"),
    );
    this.#graces = new Countdown(GRACE, (fd) => {
      this.#slow.add(fd);
      if (this.#isPressed) this.makeRoom();
    });
  }

  /**
   * Gives up the connection whose header has taken longest, so that slow ones keep nobody out: now if it has had its
   * grace, else as soon as one has. Returns whether one was given up now.
   */
  makeRoom(): boolean {
    const [slowest] = this.#slow;
    this.#isPressed = slowest === undefined && this.#pending.size > 0;
    if (slowest === undefined) return false;
    this.#fail(slowest, "it was slow, and too many headers were pending");
    return true;
  }

  /** How many connections wait for their header. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Waits for a connection's header. A header that is already there is reported before this returns. */
  add(connection: Identifiable, events: HeaderEvents): void {
    const fd = connection.fd.number;
    this.#pending.set(fd, { connection, events, part: new Uint8Array(0) });
    this.#read(fd);
    if (!this.#pending.has(fd)) return;
    this.#watcher.watch(fd, abi.POLLIN, () => this.#read(fd));
    this.#limits.start(fd);
    this.#graces.start(fd);
  }

  /** Closes every connection that waits. */
  close(): void {
    for (const fd of [...this.#pending.keys()]) {
      this.#fail(fd, "the server is ending");
    }
  }

  #read(fd: number): void {
    const pending = this.#pending.get(fd);
    if (!pending) return;
    let header: ReturnType<typeof advance>;
    try {
      header = advance(pending);
    } catch (error) { // whatever it is: a header is a stranger's
      return this.#fail(fd, (error as Error).message);
    }
    if (header === null) return;
    const { connection, events } = this.#settle(fd);
    events.complete(header.source ?? connection.sockaddr, header.length);
  }

  #fail(fd: number, why: string): void {
    const { connection, events } = this.#settle(fd);
    connection.fd.close();
    events.failed(why);
  }

  #settle(fd: number): Pending {
    const pending = this.#pending.get(fd)!;
    this.#limits.stop(fd);
    this.#graces.stop(fd);
    this.#slow.delete(fd);
    this.#watcher.unwatch(fd);
    this.#pending.delete(fd);
    return pending;
  }
}

/** Reads the available part of the header; null while it is incomplete. */
function advance(pending: Pending) {
  const { connection: { fd }, part } = pending;
  seen.set(part);
  const room = seen.subarray(part.length);
  const count = peekNow(fd.number, room);
  if (count < 0) return null;
  if (count === 0) {
    throw new ProxyHeaderError(
      "the connection ended before the header was complete",
    );
  }
  const bytes = seen.subarray(0, part.length + count);
  const header = readProxyHeader(bytes);
  const end = header?.length ?? bytes.length;
  receiveNow(fd.number, room.subarray(0, end - part.length));
  if (header === null) pending.part = bytes.slice();
  return header;
}

/** The peers that are proxies. */
export interface ProxyPeers {
  /** Every peer with an address in one of these. */
  readonly networks: readonly Network[];
  /** Whether every peer on a Unix domain socket is one. */
  readonly unix: boolean;
}

/** Says of a peer's `struct sockaddr` whether it is a proxy's. */
type Trust = (peer: Uint8Array<ArrayBuffer>) => boolean;

/** Looks peers up. */
export function trustOf({ networks, unix }: ProxyPeers): Trust {
  const table = new NetworkTable<true>();
  for (const network of networks) table.set(network, true);
  return (peer) => {
    const ip = ipOf(peer);
    return ip === null ? unix : table.find(ip) ?? false;
  };
}

/** The proxies in front of a server. */
export interface Proxies {
  /** Says of a peer whether it is one of them. */
  readonly trusts: Trust;
  /** Reads the headers of the proxies. */
  readonly headers: HeaderReader;
}

/** Readies a server to stand behind proxies. */
export type ProxySource = (watcher: Watcher) => Proxies;

/** Selects the proxies. `timeout`: how long a header may take, in milliseconds. */
export function proxySource(peers: ProxyPeers, timeout: number): ProxySource {
  const trusts = trustOf(peers);
  return (watcher) => ({
    trusts,
    headers: new HeaderReader(watcher, timeout),
  });
}
