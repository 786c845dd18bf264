/**
 * One connection of a soak, from connect to its end: a raw socket, every byte checked as it comes.
 *
 * @module
 */
import { abi } from "../../src/posix/abi.ts";
import { formatAddress } from "../../src/posix/net/address.ts";
import { dial } from "../../src/posix/net/dialing.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveNow, sendNow } from "../../src/posix/io.ts";
import { localAddress, shutdownWrite } from "../../src/posix/net/sockets.ts";
import type { Watcher } from "../../src/posix/watcher.ts";
import { resetSocket } from "../helpers/wire_client.ts";
import { LONGEST_PART } from "./cycle.ts";
import { type Plan, sentPart } from "./plans.ts";

const { POLLIN, POLLOUT } = abi;

/** How a connection ended that did not go as planned. */
export interface Failure {
  /** The client's own address, as the server's log names its peer. */
  readonly peer: string;
  /** What went wrong. */
  readonly what: string;
  /** Whether the end of the process that served explains it; wrong bytes it does not. */
  readonly mayBeKilled: boolean;
}

/** What a visit tells, once. */
export interface VisitEvents {
  /** It is over; `failure` when it went wrong. */
  ended(visit: Visit, failure: Failure | null): void;
}

// Visits take turns: one reads at a time.
const room = new Uint8Array(LONGEST_PART);

/** One connection. */
export class Visit {
  /** Whether the connection stood. */
  connected = false;
  /** Whether this end reset it, as planned. */
  wasReset = false;
  /** Bytes that went. */
  sent = 0;
  /** Bytes that came, all of them checked. */
  received = 0;
  readonly #plan: Plan;
  readonly #watcher: Watcher;
  readonly #events: VisitEvents;
  readonly #socket: Fd;
  readonly #text: number[] = [];
  readonly #timeout: ReturnType<typeof setTimeout>;
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** How far it may send. */
  #allowed: number;
  #endedWriting = false;
  readonly #peer: string;

  /**
   * Begins one.
   *
   * @param plan What it does.
   * @param where The server, and this end's address.
   * @param watcher Waits for it.
   * @param patience Milliseconds after which it gives up.
   * @param events Hears of its end.
   */
  constructor(
    plan: Plan,
    where: { to: Uint8Array<ArrayBuffer>; from: Uint8Array<ArrayBuffer> },
    watcher: Watcher,
    patience: number,
    events: VisitEvents,
  ) {
    this.#plan = plan;
    this.#watcher = watcher;
    this.#events = events;
    this.#allowed = plan.piece?.size ?? plan.send;
    this.#socket = dial(where.to, where.from);
    this.#peer = formatAddress(localAddress(this.#socket.number));
    this.#timeout = setTimeout(() => this.#fail("stuck", false), patience);
    this.#watch();
  }

  #watch(): void {
    const sends = !this.connected || this.sent < this.#allowed;
    this.#watcher.watch(
      this.#socket.number,
      sends ? POLLIN | POLLOUT : POLLIN,
      (events) => this.#ready(events),
    );
  }

  #ready(events: number): void {
    if (!this.#socket.isOpen) return; // its number came once more for another
    try {
      if (!this.connected && !this.#stands()) return;
      const sent = this.sent;
      if (events & POLLOUT) this.#send();
      const isOver = events & POLLIN ? this.#receive() : false;
      if (!isOver && !this.#resetIfDue() && sent !== this.sent) this.#watch();
    } catch (error) {
      this.#fail((error as Error).message, true);
    }
  }

  /** Whether the connection has come about; throws what stood in its way. */
  #stands(): boolean {
    if (sendNow(this.#socket.number, new Uint8Array(0)) < 0) return false;
    this.connected = true;
    this.#watch();
    this.#endWriting();
    return true;
  }

  #send(): void {
    const rest = this.#allowed - this.sent;
    if (!this.connected || rest === 0) return;
    const bytes = sentPart(this.#plan, this.sent, rest);
    this.sent += Math.max(0, sendNow(this.#socket.number, bytes));
    if (this.sent === this.#allowed) this.#sendOnLater();
    this.#endWriting();
  }

  #sendOnLater(): void {
    const { piece, send } = this.#plan;
    if (piece === null || this.sent === send) return;
    this.#pause = setTimeout(() => {
      this.#allowed = Math.min(send, this.#allowed + piece.size);
      this.#watch();
    }, piece.pause);
  }

  /** Half-closes when all has gone; who means to reset it leaves its side open. */
  #endWriting(): void {
    const { send, resetAfter } = this.#plan;
    if (this.sent < send || this.#endedWriting || resetAfter !== null) return;
    this.#endedWriting = true;
    shutdownWrite(this.#socket.number);
  }

  /** Takes what came; true when it is over. */
  #receive(): boolean {
    const count = receiveNow(this.#socket.number, room);
    if (count < 0) return false;
    if (count === 0) return this.#atEnd();
    if (!this.#isRight(room.subarray(0, count))) {
      return this.#fail(`wrong bytes at ${this.received}`, false);
    }
    this.received += count;
    return false;
  }

  #resetIfDue(): boolean {
    const { resetAfter } = this.#plan;
    if (resetAfter === null || this.received < resetAfter) return false;
    this.wasReset = true;
    resetSocket(this.#socket.number);
    return this.#end(null);
  }

  #isRight(bytes: Uint8Array<ArrayBuffer>): boolean {
    const { answer } = this.#plan;
    if ("holds" in answer) {
      this.#text.push(...bytes.subarray(0, answer.most));
      return this.#text.length <= answer.most;
    }
    const { stream, offset, length } = answer;
    return (length === null || this.received + bytes.length <= length) &&
      stream.holds(offset + this.received, bytes);
  }

  #atEnd(): boolean {
    const { answer } = this.#plan;
    if ("holds" in answer) {
      if (answer.holds(new Uint8Array(this.#text))) return this.#end(null);
      return this.#fail("not the whole answer", true);
    }
    const whole = this.received === answer.length &&
      this.sent === this.#plan.send;
    return whole
      ? this.#end(null)
      : this.#fail(`ended at ${this.received} of ${answer.length}`, true);
  }

  #fail(what: string, mayBeKilled: boolean): true {
    const told = `${what} (sent ${this.sent}, received ${this.received})`;
    return this.#end({ peer: this.#peer, what: told, mayBeKilled });
  }

  #end(failure: Failure | null): true {
    clearTimeout(this.#timeout);
    clearTimeout(this.#pause);
    this.#watcher.unwatch(this.#socket.number);
    this.#socket.close();
    this.#events.ended(this, failure);
    return true;
  }
}
