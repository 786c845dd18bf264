/**
 * The gate between the backlog and the process model: who comes in, who waits, who is sent away.
 *
 * @module
 */
import { decodeAddress, formatAddress, ipOf } from "../posix/address.ts";
import type { Accepted } from "../posix/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Admission, type AdmissionOptions, type Ticket } from "./admission.ts";
import { Farewell } from "./farewell.ts";
import type { Via } from "./live.ts";
import type { Proxies, ProxySource } from "./proxy/mod.ts";
import type { RefusalReason } from "./refusal.ts";

/** How often the admission forgets what it need not remember, in milliseconds. */
const SWEEP = 1_000;

/** How the gate works. */
export interface GateOptions extends AdmissionOptions {
  /** Who speaks for clients; undefined where clients connect themselves. */
  readonly proxies?: ProxySource | undefined;
  /** What those are told whom a limit refuses; empty to say nothing. Who is denied is told nothing. */
  readonly busyMessage: Uint8Array<ArrayBuffer>;
}

/** A connection that came by a proxy, or by none. */
export interface Arrival extends Accepted {
  /** The proxy. */
  readonly via?: Via;
}

/** What the gate tells. */
export interface GateEvents {
  /** A connection may be served; both are the receiver's, the ticket for {@linkcode Gate.release}. */
  admitted(connection: Arrival, ticket: Ticket): void;
  /** A connection was refused, and is closed; `why` says more where there is more to say. */
  rejected(peer: string, reason: RefusalReason, why?: string): void;
  /** There may be room (again). */
  room(): void;
}

/** Decides about each connection once it is off the backlog, and whether one may be taken off it. */
export class Gate {
  readonly #admission: Admission;
  readonly #waits: boolean;
  readonly #farewell: Farewell;
  readonly #proxies: Proxies | undefined;
  readonly #events: GateEvents;
  /** Off the backlog without room, since a drain takes all that is in it. */
  readonly #line: Accepted[] = [];
  #settled: PromiseWithResolvers<void> | undefined;
  #isAdmitting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #sweeper: ReturnType<typeof setInterval> | undefined;

  /**
   * Makes one.
   *
   * @param options How it works.
   * @param watcher For those who are sent away, and for what proxies say.
   * @param events Is told what it decides.
   */
  constructor(options: GateOptions, watcher: Watcher, events: GateEvents) {
    this.#proxies = options.proxies?.(watcher);
    this.#admission = new Admission(options);
    this.#waits = options.overload === "wait";
    this.#farewell = new Farewell(options.busyMessage, watcher);
    this.#events = events;
    if (options.ratePerSource) {
      const sweep = () => this.#admission.sweep(performance.now());
      this.#sweeper = setInterval(sweep, SWEEP);
    }
  }

  /** How many connections are off the backlog and wait for room, or for their header. */
  get waiting(): number {
    return this.#line.length + (this.#proxies?.headers.waiting ?? 0);
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

  /**
   * A connection came off the backlog.
   *
   * @param connection The connection, from here on the gate's.
   */
  arrived(connection: Accepted): void {
    if (this.#proxies?.trusts(connection.peer) === false) {
      connection.fd.close();
      this.#tellNoHeader(connection, "it comes from no proxy");
    } else if (this.#waits && (this.#line.length > 0 || !this.hasRoom())) {
      this.#line.push(connection);
    } else this.#decide(connection);
  }

  /**
   * A connection that was admitted is over.
   *
   * @param ticket Its ticket.
   */
  release(ticket: Ticket): void {
    this.#admission.release(ticket);
    this.#moveUp();
  }

  /** Resolves when nobody waits for room, nor for a header. */
  settled(): Promise<void> {
    if (this.waiting === 0) return Promise.resolve();
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
    this.#farewell.close();
  }

  #decide(connection: Accepted): void {
    if (this.#proxies) return this.#awaitHeader(connection, this.#proxies);
    const ip = this.#admission.mindsSources ? ipOf(connection.peer) : null;
    const ticket = this.#admission.admit(ip, performance.now());
    if (typeof ticket === "string") this.#reject(connection, ticket);
    else this.#events.admitted(connection, ticket);
  }

  /** It takes its place among all before its client is known, and its source's after. */
  #awaitHeader(connection: Accepted, { headers }: Proxies): void {
    const admit = () => this.#admission.admitUnidentified(performance.now());
    let ticket = admit();
    if (ticket === "max-connections" && headers.makeRoom()) ticket = admit();
    if (typeof ticket === "string") return this.#reject(connection, ticket);
    const proxy = shown(connection);
    headers.add(connection, {
      complete: (identified, headerBytes) => {
        const refusal = this.#admission.identify(
          ticket,
          ipOf(identified.peer),
          performance.now(),
        );
        if (refusal === null) {
          const via = { proxy, headerBytes };
          this.#events.admitted({ ...identified, via }, ticket);
        } else {
          this.#admission.release(ticket);
          this.#reject(identified, refusal);
        }
        this.#moveUp();
      },
      failed: (why) => {
        this.#admission.release(ticket);
        this.#tellNoHeader(connection, why);
        this.#moveUp();
      },
    });
  }

  #tellNoHeader(connection: Accepted, why: string): void {
    this.#events.rejected(shown(connection), "proxy-protocol", why);
  }

  #reject(connection: Accepted, reason: RefusalReason): void {
    if (reason === "denied") connection.fd.close();
    else this.#farewell.say(connection.fd);
    this.#events.rejected(shown(connection), reason);
  }

  #later(): void {
    this.#timer = undefined;
    this.#moveUp();
  }

  /** There may be room. */
  #moveUp(): void {
    this.#admitLine();
    this.#events.room();
  }

  #admitLine(): void {
    if (this.#isAdmitting) return; // a header that is there already is told while the line is admitted
    this.#isAdmitting = true;
    while (this.#line.length > 0 && this.hasRoom()) {
      this.#decide(this.#line.shift()!);
    }
    this.#isAdmitting = false;
    if (this.waiting === 0) this.#settled?.resolve();
  }
}

/** The peer's address as it is written in the log. */
function shown({ peer }: Accepted): string {
  return formatAddress(decodeAddress(peer));
}
