/**
 * The connections of a load process, which wait together, and the kinds of their failures.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { PollSet, receiveNow, sameStart, sendNow } from "../posix/io.ts";
import { dial } from "../posix/net/dialing.ts";
import { setNoDelay, shutdownWrite } from "../posix/net/sockets.ts";

const { POLLIN, POLLOUT } = abi;

export class LoadFailure extends Error {
  constructor(kind: string) {
    super(kind);
    this.name = "Failure";
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ENOTCONN: "reset",
  ETIMEDOUT: "timed out",
  EADDRNOTAVAIL: "no free local port",
  EMFILE: "no descriptor left",
  ENFILE: "no descriptor left",
};

/**
 * Names the kind of a failure, so that it can be counted. For example `refused`, or the name of the system's error.
 * Throws `unknown`: the error itself, when it is not of a connection but of this program.
 */
export function failureKind(error: unknown): string {
  if (error instanceof LoadFailure) return error.message;
  if (error instanceof PosixError) return WORDS[error.code] ?? error.code;
  throw error;
}

/** The settings that all connections of a load share. */
export interface SlotWork {
  /** The server, `struct sockaddr`. */
  readonly peer: Uint8Array<ArrayBuffer>;
  /** Local addresses to connect from in turn; none lets the system choose. */
  readonly sources: readonly Uint8Array<ArrayBuffer>[];
  /** Bytes of a request. */
  readonly size: number;
  /** Whether small requests must not wait for each other. */
  readonly noDelay: boolean;
  /** Whether every request has a connection of its own. */
  readonly oneRequest: boolean;
}

type Phase = "idle" | "exchanging" | "ending";

const NOTHING = new Uint8Array(1);
let turn = 0;

/** A place for a connection. Whoever owns it waits for {@linkcode wants} and calls {@linkcode advance}. */
export class Slot {
  /** When the request under way was due, by its owner's clock. */
  due = 0;
  /** When the request under way began, by the same clock. */
  began = 0;
  /** `performance.now()` when the last echo was whole. */
  answeredAt = 0;
  readonly #work: SlotWork;
  readonly #request: Uint8Array<ArrayBuffer>;
  readonly #reply: Uint8Array<ArrayBuffer>;
  #socket: Fd | null = null;
  #phase: Phase = "idle";
  #sent = 0;
  #received = 0;

  constructor(work: SlotWork) {
    this.#work = work;
    this.#request = new Uint8Array(work.size);
    crypto.getRandomValues(this.#request.subarray(0, 65536));
    this.#reply = new Uint8Array(work.size);
  }

  /** The connection's descriptor, borrowed; -1 without one. */
  get fd(): number {
    return this.#socket === null ? -1 : this.#socket.number;
  }

  /** Whether something is under way. */
  get isBusy(): boolean {
    return this.#phase !== "idle";
  }

  /** The events to wait for. The echo counts while a long request is being sent, too: a server may stop reading. */
  get wants(): number {
    return this.#phase === "exchanging" && this.#sent < this.#work.size
      ? POLLIN | POLLOUT
      : POLLIN;
  }

  /**
   * Begins a request, and connects first where there is no connection. Throws `PosixError` when the system or the
   * server refuses.
   */
  begin(): void {
    this.#sent = this.#received = 0;
    this.#request[0]!++; // so that no echo of the request before passes for this one's
    this.#phase = "exchanging";
    if (this.#socket === null) this.#connect();
    this.#send();
  }

  /**
   * Continues with the ready descriptors. Returns whether the request, and its connection where it has one of its
   * own, is done. Throws `Failure` when the echo is wrong. Throws `PosixError` when the connection fails.
   */
  advance(events: number): boolean {
    if (this.#sent < this.#work.size && this.#phase === "exchanging") {
      this.#send();
    }
    if ((events & ~POLLOUT) === 0) return false;
    return this.#phase === "ending" ? this.#readEnd() : this.#readEcho();
  }

  /**
   * Ends this side of the connection; it is done when the server has ended its own. Throws `PosixError` when the
   * connection is gone.
   */
  end(): void {
    shutdownWrite(this.fd);
    this.#phase = "ending";
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
    this.#phase = "idle";
  }

  #connect(): void {
    const { peer, sources, noDelay } = this.#work;
    this.#socket = dial(peer, sources[turn++ % sources.length] ?? null);
    if (noDelay) setNoDelay(this.fd);
  }

  #send(): void {
    const rest = this.#sent === 0
      ? this.#request
      : this.#request.subarray(this.#sent);
    this.#sent += Math.max(0, sendNow(this.fd, rest)); // nothing goes before it is connected
  }

  #readEcho(): boolean {
    const { size, oneRequest } = this.#work;
    const room = this.#received === 0
      ? this.#reply
      : this.#reply.subarray(this.#received);
    const count = receiveNow(this.fd, room);
    if (count === 0) throw new LoadFailure("ended early");
    this.#received += Math.max(0, count);
    if (this.#received < size) return false;
    if (!sameStart(this.#request, this.#reply, size)) {
      throw new LoadFailure("wrong bytes");
    }
    this.answeredAt = performance.now();
    if (oneRequest) this.end();
    else this.#phase = "idle";
    return !oneRequest;
  }

  #readEnd(): boolean {
    const count = receiveNow(this.fd, NOTHING);
    if (count < 0) return false;
    if (count > 0) throw new LoadFailure("extra bytes");
    this.close();
    return true;
  }
}

/** The events of the connections. */
interface SlotEvents {
  /** A request is done. */
  done(slot: Slot): void;
  /** A connection came to nothing, and was dropped. */
  failed(slot: Slot, kind: string): void;
}

/** Places for connections. */
export class Slots {
  /** Each of them. */
  readonly all: readonly Slot[];
  readonly #poll: PollSet;
  readonly #events: SlotEvents;
  /** The descriptors that the system watches, by place. */
  readonly #descriptors: Int32Array;
  readonly #wanted: Int16Array;
  readonly #places = new Map<Slot, number>();

  constructor(count: number, work: SlotWork, events: SlotEvents) {
    this.all = Array.from({ length: count }, () => new Slot(work));
    this.all.forEach((slot, i) => this.#places.set(slot, i));
    this.#poll = new PollSet(this.all.map(() => ({ fd: -1, events: 0 })));
    this.#descriptors = new Int32Array(count).fill(-1);
    this.#wanted = new Int16Array(count);
    this.#events = events;
  }

  /** Runs a step of a connection, which may fail, and then waits for the next event. */
  attempt(slot: Slot, action: (slot: Slot) => boolean | void): void {
    let isDone: boolean | void = false;
    let failure: string | null = null;
    try {
      isDone = action(slot);
    } catch (error) {
      failure = failureKind(error);
      slot.close();
    }
    this.#update(this.#places.get(slot)!, slot);
    if (failure !== null) this.#events.failed(slot, failure);
    else if (isDone) this.#events.done(slot);
  }

  /** Waits once, and goes on with every connection that is ready. `timeout`: in milliseconds, with a fraction. */
  wait(timeout: number): void {
    let ready = this.#poll.waitFinely(timeout);
    for (let i = 0; ready > 0 && i < this.all.length; i++) {
      const events = this.#poll.ready(i);
      if (events === 0) continue;
      ready--;
      this.attempt(this.all[i]!, (slot) => slot.advance(events));
    }
  }

  /** Gives up on connections that have waited for too long. */
  expire(before: number): void {
    for (const slot of this.all) {
      if (!slot.isBusy || slot.began >= before) continue;
      slot.close();
      this.#update(this.#places.get(slot)!, slot);
      this.#events.failed(slot, "timed out");
    }
  }

  close(): void {
    for (const slot of this.all) slot.close();
  }

  #update(place: number, slot: Slot): void {
    const fd = slot.isBusy ? slot.fd : -1; // idle ones are not waited for
    const { wants } = slot;
    if (fd === this.#descriptors[place] && wants === this.#wanted[place]) {
      return;
    }
    this.#descriptors[place] = fd;
    this.#wanted[place] = wants;
    this.#poll.set(place, { fd, events: wants });
  }
}
