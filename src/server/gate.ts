/**
 * The gate between the backlog and the process model: who comes in, who waits, who is sent away.
 *
 * @module
 */
import { ipOf } from "../posix/net/address.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Admission, type AdmissionOptions, type Ticket } from "./admission.ts";
import type { ConnectionRecord, Connections } from "./connections.ts";
import type { RefusalReason } from "./events.ts";
import type { Proxies, ProxySource } from "./proxy/mod.ts";
import { RefusalMessage } from "./refusal_message.ts";

/** How often the admission forgets what it need not remember, in milliseconds. */
const SWEEP = 1_000;

/** How the gate works. */
export interface GateOptions extends AdmissionOptions {
  /** Who speaks for clients; undefined where clients connect themselves. */
  readonly proxies?: ProxySource | undefined;
  /** What those are told whom a limit refuses; empty to say nothing. Who is denied is told nothing. */
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

  /**
   * Whether a connection may be taken off the backlog; if not, `room` is told when one may.
   *
   * @returns Whether there is room.
   */
  hasRoom(): boolean {
    const wait = this.#admission.wait(performance.now());
    if (wait > 0 && wait < Infinity) {
      this.#timer ??= setTimeout(() => this.#later(), Math.ceil(wait));
    }
    return wait === 0;
  }

  /**
   * Gives up a connection whose header is slow, if there is one, now or as soon as there is.
   *
   * @returns Whether one was given up now.
   */
  makeRoom(): boolean {
    return this.#proxies?.headers.makeRoom() ?? false;
  }

  /** A connection came off the backlog. */
  arrived(connection: ConnectionRecord): void {
    if (this.#proxies?.trusts(connection.sockaddr) === false) {
      connection.fd.close();
      this.#rejectHeader(connection, "it comes from no proxy");
    } else if (this.#waits && (this.#line.length > 0 || !this.hasRoom())) {
      this.#line.push(connection);
    } else this.#decide(connection);
  }

  /** A connection that was admitted is over. */
  release(ticket: Ticket): void {
    this.#admission.release(ticket);
    this.#moveUp();
  }

  /** Resolves when nobody waits for room, nor for a header. */
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

  /** Closes what is left of those who were sent away; call it last. */
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
    if (this.#isAdmitting) return; // a header that is there already is told while the line is admitted
    this.#isAdmitting = true;
    while (this.#line.length > 0 && this.hasRoom()) {
      this.#decide(this.#line.shift()!);
    }
    this.#isAdmitting = false;
    if (this.#connections.waiting === 0) this.#settled?.resolve();
  }
}
