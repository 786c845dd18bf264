/**
 * The table of connections: one record each, from the backlog to the end of its process.
 *
 *     waiting ──admit──> handed ──took──> serving ──done──> ended ──reaped──> (gone)
 *        │                 │
 *        └────reject───────┴────refuse──> (gone)
 *
 * `waiting`: it is off the backlog, and waits for room or for its PROXY header. `handed`: it was admitted, and
 * a process is looked for or has been handed it. `serving`: a process took it. `ended`: its process has yet to
 * end; where processes serve one connection after another, it is gone at once.
 *
 * A connection holds its place among those that are limited until it is gone. Why and how far it is being ended
 * is part of its record, and so is the time that it has.
 *
 * @module
 */
import type { Outcome, Reason, When } from "../wire/records.ts";
import type { EndSignal, Handoff } from "../model/model.ts";
import { decodeAddress, formatAddress } from "../posix/net/address.ts";
import type { Fd } from "../posix/fd.ts";
import type { Accepted } from "../posix/net/sockets.ts";
import type { Ticket } from "./admission.ts";
import { Countdown } from "./countdown.ts";
import type {
  ConnectionInfo,
  RefusalReason,
  ServerEvents,
  Via,
} from "./events.ts";

/** How long a process has after each step to its end, in milliseconds. */
const GRACE = 2_000;
const STEPS: readonly EndSignal[] = ["stop", "SIGTERM", "SIGKILL"];

/** Where a connection is on its way. */
type ConnectionState = "waiting" | "handed" | "serving" | "ended";

/** A connection, and all that the server knows of it. */
export class ConnectionRecord implements Handoff, ConnectionInfo {
  id = 0;
  state: ConnectionState = "waiting";
  /** The parent's copy: the gate's while it waits, then the model's, which closes it when a process took it. */
  readonly fd: Fd;
  via: Via | undefined = undefined;
  acceptedAt = 0;
  pid = 0;
  takenAt = 0;
  /** How many processes ended with it in hand before they took it. */
  lost = 0;
  /** Its place among those that are limited. */
  ticket: Ticket | null = null;
  /** Why the server ends it, and the next of the steps; null where it does not. */
  ending: { readonly reason: Reason; step: number } | null = null;
  #sockaddr: Uint8Array<ArrayBuffer>;
  #peer: string | null = null;

  /** Makes the record of a connection that came off the backlog. */
  constructor({ fd, peer }: Accepted) {
    this.fd = fd;
    this.#sockaddr = peer;
  }

  /** The client's `struct sockaddr`. */
  get sockaddr(): Uint8Array<ArrayBuffer> {
    return this.#sockaddr;
  }

  get peer(): string {
    return this.#peer ??= formatAddress(decodeAddress(this.#sockaddr));
  }

  /**
   * Its proxy said who the client is. `sockaddr`: the client's `struct sockaddr`. `headerBytes`: how many bytes that
   * took.
   */
  identify(sockaddr: Uint8Array<ArrayBuffer>, headerBytes: number): void {
    this.via = { proxy: this.peer, headerBytes };
    this.#sockaddr = sockaddr;
    this.#peer = null;
  }
}

/** The actions that the table requests from other parts. */
interface ConnectionEffects {
  /** Gives an admitted connection to a process. */
  serve(connection: ConnectionRecord): void;
  /** Refuses one that no process has been handed yet. */
  withdraw(id: number, why: string): void;
  /** Asks or makes a connection's process end; whether that means anything to it. */
  end(connection: ConnectionRecord, signal: EndSignal): boolean;
  /** Whether a process serves one connection after another. */
  reusesProcesses(): boolean;
  /** Whether a connection that has ended left processes behind. */
  hasDescendants(id: number): boolean;
  /** Ends the descendants of an ended connection: now, or after a while if they do not end themselves. */
  endDescendants(id: number, when: "now" | "later"): void;
  release(ticket: Ticket): void;
}

/** Calls back a fixed time after each of many things began. */
type Timers<Key> = Pick<Countdown<Key>, "start" | "stop">;

/** The time, which tests play. */
interface Clock {
  /** Milliseconds. */
  now(): number;
  /** Timers of one length; see {@linkcode Countdown}. */
  timers<Key>(milliseconds: number, late: (key: Key) => void): Timers<Key>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  timers: (milliseconds, late) => new Countdown(milliseconds, late),
};

export class Connections implements Iterable<ConnectionInfo> {
  readonly #events: ServerEvents;
  readonly #effects: ConnectionEffects;
  readonly #clock: Clock;
  readonly #grace: Timers<ConnectionRecord>;
  readonly #lifetimes: Timers<number> | undefined;
  /** Those that are handed or served, by id, oldest first. */
  readonly #live = new Map<number, ConnectionRecord>();
  /** Those that have ended, by their processes, which have not. */
  readonly #ended = new Map<number, ConnectionRecord>();
  #waiting = 0;
  #last = 0;

  /** Makes an empty table. `maxLifetime`: how long one may be served, in milliseconds; undefined for no limit. */
  constructor(
    events: ServerEvents,
    effects: ConnectionEffects,
    maxLifetime?: number,
    clock = CLOCK,
  ) {
    this.#events = events;
    this.#effects = effects;
    this.#clock = clock;
    this.#grace = clock.timers(GRACE, (connection) => this.#next(connection));
    this.#lifetimes = maxLifetime === undefined
      ? undefined
      : clock.timers(maxLifetime, (id) => this.#outlived(id));
  }

  /** How many wait for room or for their header. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many have been admitted and have not ended. */
  get live(): number {
    return this.#live.size;
  }

  /** Those that have been admitted and have not ended, oldest first. */
  [Symbol.iterator](): Iterator<ConnectionInfo> {
    return this.#live.values();
  }

  /** Nothing → waiting: it came off the backlog. From here on the gate decides about it. */
  arrive(accepted: Accepted): ConnectionRecord {
    this.#waiting++;
    return new ConnectionRecord(accepted);
  }

  /** Waiting → handed: there is room for it. */
  admit(connection: ConnectionRecord, ticket: Ticket): void {
    this.#leave(connection, "waiting");
    this.#waiting--;
    connection.id = ++this.#last;
    connection.state = "handed";
    connection.acceptedAt = this.#clock.now();
    connection.ticket = ticket;
    this.#live.set(connection.id, connection);
    this.#events.accepted(connection);
    this.#effects.serve(connection);
  }

  /** Waiting → gone: it was closed. Where there is more to say about the reason, `why` says it. */
  reject(
    connection: ConnectionRecord,
    reason: RefusalReason,
    why?: string,
  ): void {
    this.#leave(connection, "waiting");
    this.#waiting--;
    this.#events.rejected(connection.peer, reason, why);
  }

  /** It is on its way to a process or a zygote; `at` as `performance.now()`. */
  handed(id: number, pid: number, at: number): void {
    const connection = this.#live.get(id);
    if (connection) this.#events.handed(connection, pid, at);
  }

  /** It is not any more: that ended before it took it. */
  returned(id: number): void {
    const connection = this.#live.get(id);
    if (connection) this.#events.returned(connection);
  }

  /** Handed → serving. */
  took(id: number, pid: number, when?: When): void {
    const connection = this.#live.get(id);
    if (connection?.state !== "handed") return;
    connection.state = "serving";
    connection.pid = pid;
    connection.takenAt = this.#clock.now();
    this.#events.connected(connection, when);
    this.#lifetimes?.start(id);
    if (connection.ending) this.#next(connection);
  }

  /** Serving → ended, or gone. Whatever its process made of it, the reason is ours if we ended it. */
  done(id: number, outcome: Outcome, when?: When): void {
    const connection = this.#live.get(id);
    if (!connection) return;
    this.#live.delete(id);
    const { ending, pid, acceptedAt } = connection;
    if (ending) this.#effects.endDescendants(id, "later");
    // Its descendants have no more time than it had itself.
    if (this.#lifetimes && !this.#effects.hasDescendants(id)) {
      this.#lifetimes.stop(id);
    }
    const told = ending
      ? { ...outcome, reason: ending.reason, text: "" }
      : outcome;
    this.#grace.stop(connection);
    connection.state = "ended";
    this.#events.disconnected(
      connection,
      told,
      this.#clock.now() - acceptedAt,
      when,
    );
    if (pid === 0 || this.#effects.reusesProcesses()) this.#release(connection);
    else this.#ended.set(pid, connection);
  }

  /** Handed → gone: no process could be had for it, and it was closed. */
  refuse(id: number, why: string): void {
    const connection = this.#live.get(id);
    if (!connection) return;
    this.#live.delete(id);
    this.#grace.stop(connection);
    this.#events.refused(connection, why);
    this.#release(connection);
  }

  /** Ended → gone: its process was reaped. */
  reaped(pid: number): void {
    const connection = this.#ended.get(pid);
    if (!connection) return;
    this.#ended.delete(pid);
    this.#release(connection);
  }

  /**
   * Ends a connection: a handler is told by its `signal`; who does not end within two seconds gets SIGTERM, and two
   * seconds later SIGKILL. One that is being ended keeps its first reason. One that no process has been handed is
   * refused; one that a process is about to take is ended then. Returns whether there is such a connection.
   */
  end(id: number, reason: Reason): boolean {
    const connection = this.#live.get(id);
    if (!connection) return false;
    const isFirst = connection.ending === null;
    connection.ending ??= { reason, step: 0 };
    if (connection.state === "handed") this.#effects.withdraw(id, reason);
    else if (isFirst) this.#next(connection);
    return true;
  }

  #leave(connection: ConnectionRecord, state: ConnectionState): void {
    if (connection.state === state) return;
    throw new TypeError(
      `Connection ${connection.id} is ${connection.state}, not ${state}`,
    );
  }

  #release(connection: ConnectionRecord): void {
    const { ticket } = connection;
    connection.ticket = null;
    if (ticket) this.#effects.release(ticket);
  }

  /** The next step to its end that means anything to its process. */
  #next(connection: ConnectionRecord): void {
    const ending = connection.ending!;
    while (ending.step < STEPS.length) {
      if (this.#effects.end(connection, STEPS[ending.step++]!)) break;
    }
    if (ending.step < STEPS.length) this.#grace.start(connection);
  }

  #outlived(id: number): void {
    if (!this.end(id, "lifetime")) this.#effects.endDescendants(id, "now");
  }
}
