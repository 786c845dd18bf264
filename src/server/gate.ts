/**
 * The gate between the backlog and the process model: it admits a connection, lets it wait, or closes it with a
 * message.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { receiveNow, sendNow } from "../posix/io.ts";
import { ipOf } from "../posix/net/address.ts";
import { endWriting } from "../posix/net/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Admission, type AdmissionOptions, type Ticket } from "./admission.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import { Countdown } from "./countdown.ts";
import type { RefusalReason } from "./events.ts";
import type { Proxies, ProxySource } from "./proxy/proxy_source.ts";

/** How long a client has to take the message and hang up, in milliseconds. */
const PATIENCE = 1_000;
/** How many may do so at a time; each costs a descriptor. Those beyond are closed at once. */
const MOST = 128;

/**
 * Sends the message and closes, without ever waiting. A socket that is closed with unread bytes resets the
 * connection, and the reset may overtake the message: so what the client sends is read and thrown away
 * until it hangs up, for a second at most.
 */
export class RefusalMessage {
  readonly #text: Uint8Array<ArrayBuffer>;
  readonly #watcher: Watcher;
  readonly #leaving = new Set<Fd>();
  readonly #patience = new Countdown<Fd>(PATIENCE, (fd) => this.#close(fd));
  readonly #unread = new Uint8Array(16 * 1024);

  /** `text`: what to send; empty to close without a message. */
  constructor(text: Uint8Array<ArrayBuffer>, watcher: Watcher) {
    this.#text = text;
    this.#watcher = watcher;
  }

  /** Sends the message, as far as it goes at once, and closes. `fd`: the connection, from here on ours. */
  send(fd: Fd): void {
    if (this.#text.length === 0) return fd.close();
    this.#leaving.add(fd);
    try {
      sendNow(fd.number, this.#text);
      endWriting(fd.number);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      return this.#close(fd); // the client is gone
    }
    this.#read(fd);
    if (!fd.isOpen) return;
    if (this.#leaving.size > MOST) return this.#close(fd);
    this.#patience.start(fd);
    this.#watcher.watch(fd.number, abi.POLLIN, () => this.#read(fd));
  }

  close(): void {
    for (const fd of this.#leaving) this.#close(fd);
  }

  #read(fd: Fd): void {
    try {
      // Once each time: a client that floods us gets no more of our time than any other.
      if (receiveNow(fd.number, this.#unread) === 0) this.#close(fd);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      this.#close(fd);
    }
  }

  #close(fd: Fd): void {
    if (!this.#leaving.delete(fd)) return;
    this.#patience.stop(fd);
    this.#watcher.unwatch(fd.number);
    fd.close();
  }
}

/** The interval at which the admission forgets old sources, in milliseconds. */
const SWEEP = 1_000;

export interface GateOptions extends AdmissionOptions {
  /** The proxies; undefined if clients connect directly. */
  readonly proxies?: ProxySource | undefined;
  /** Text sent to clients that a limit refuses; may be empty. Denied clients get no text. */
  readonly busyMessage: Uint8Array<ArrayBuffer>;
}

/** Decides about each connection once it is off the backlog, and whether one may be taken off it. */
export class Gate {
  readonly #admission: Admission;
  readonly #waits: boolean;
  readonly #message: RefusalMessage;
  readonly #proxies: Proxies | undefined;
  readonly #connections: Connections;
  readonly #room: () => void;
  /** Off the backlog without room, since a drain takes all that is in it. */
  readonly #line: ConnectionRecord[] = [];
  #settled: PromiseWithResolvers<void> | undefined;
  #isAdmitting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #sweeper: ReturnType<typeof setInterval> | undefined;

  constructor(
    options: GateOptions,
    watcher: Watcher,
    connections: Connections,
    room: () => void,
  ) {
    this.#proxies = options.proxies?.(watcher);
    this.#admission = new Admission(options);
    this.#waits = options.overload === "wait";
    this.#message = new RefusalMessage(options.busyMessage, watcher);
    this.#connections = connections;
    this.#room = room;
    if (options.ratePerSource) {
      const sweep = () => this.#admission.sweep(performance.now());
      this.#sweeper = setInterval(sweep, SWEEP);
    }
  }

  /** Whether a connection may be taken off the backlog; if not, `room` is told when one may. */
  hasRoom(): boolean {
    const wait = this.#admission.wait(performance.now());
    if (wait > 0 && wait < Infinity) {
      this.#timer ??= setTimeout(() => this.#later(), Math.ceil(wait));
    }
    return wait === 0;
  }

  /**
   * Gives up a connection whose header is slow, if there is one, now or as soon as there is. Returns whether one was
   * given up now.
   */
  makeRoom(): boolean {
    return this.#proxies?.headers.makeRoom() ?? false;
  }

  /** A connection came off the backlog. */
  arrived(connection: ConnectionRecord): void {
    if (this.#proxies?.trusts(connection.sockaddr) === false) {
      connection.fd.close();
      this.#rejectHeader(connection, "it does not come from an allowed proxy");
    } else if (this.#waits && (this.#line.length > 0 || !this.hasRoom())) {
      this.#line.push(connection);
    } else this.#decide(connection);
  }

  /** A connection that was admitted is over. */
  release(ticket: Ticket): void {
    this.#admission.release(ticket);
    this.#moveUp();
  }

  /** Resolves when no connection waits for room or for a header. */
  settled(): Promise<void> {
    if (this.#connections.waiting === 0) return Promise.resolve();
    this.#settled ??= Promise.withResolvers();
    return this.#settled.promise;
  }

  /** Sends away who waits for room: there will be none. */
  giveUp(): void {
    for (const connection of this.#line.splice(0)) {
      this.#reject(connection, "max-connections");
    }
    this.#proxies?.headers.close();
    this.#settled?.resolve();
  }

  /** Closes the remaining refused connections; call it last. */
  close(): void {
    this.giveUp();
    clearTimeout(this.#timer);
    clearInterval(this.#sweeper);
    this.#message.close();
  }

  #decide(connection: ConnectionRecord): void {
    if (this.#proxies) return this.#awaitHeader(connection, this.#proxies);
    const ip = this.#admission.mindsSources ? ipOf(connection.sockaddr) : null;
    const ticket = this.#admission.admit(ip, performance.now());
    if (typeof ticket === "string") this.#reject(connection, ticket);
    else this.#connections.admit(connection, ticket);
  }

  /** It takes its place among all before its client is known, and its source's after. */
  #awaitHeader(connection: ConnectionRecord, { headers }: Proxies): void {
    const admit = () => this.#admission.admitUnidentified(performance.now());
    let ticket = admit();
    if (ticket === "max-connections" && headers.makeRoom()) ticket = admit();
    if (typeof ticket === "string") return this.#reject(connection, ticket);
    headers.add(connection, {
      complete: (sockaddr, length) => {
        connection.identify(sockaddr, length);
        const refusal = this.#admission.identify(
          ticket,
          ipOf(sockaddr),
          performance.now(),
        );
        if (refusal === null) this.#connections.admit(connection, ticket);
        else {
          this.#admission.release(ticket);
          this.#reject(connection, refusal);
        }
        this.#moveUp();
      },
      failed: (why) => {
        this.#admission.release(ticket);
        this.#rejectHeader(connection, why);
        this.#moveUp();
      },
    });
  }

  #rejectHeader(connection: ConnectionRecord, why: string): void {
    this.#connections.reject(connection, "proxy-protocol", why);
  }

  #reject(connection: ConnectionRecord, reason: RefusalReason): void {
    if (reason === "denied") connection.fd.close();
    else this.#message.send(connection.fd);
    this.#connections.reject(connection, reason);
  }

  #later(): void {
    this.#timer = undefined;
    this.#moveUp();
  }

  /** There may be room. */
  #moveUp(): void {
    this.#admitLine();
    this.#room();
  }

  #admitLine(): void {
    if (this.#isAdmitting) return; // a header that has already arrived is reported while the queue is admitted
    this.#isAdmitting = true;
    while (this.#line.length > 0 && this.hasRoom()) {
      this.#decide(this.#line.shift()!);
    }
    this.#isAdmitting = false;
    if (this.#connections.waiting === 0) this.#settled?.resolve();
  }
}
