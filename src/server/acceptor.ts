/**
 * Taking connections off the backlog.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { accept, type Accepted } from "../posix/net/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";

/** How long to leave connections in the backlog when the system has no room, in milliseconds. */
const PAUSE = 100;
/** How many connections to take before other descriptors get their turn. */
const BATCH = 64;

/** What an acceptor tells. */
export interface AcceptorEvents {
  /** Whether one more connection can be had; if not, the backlog keeps it until `resume`. */
  hasRoom(): boolean;
  /** Somebody waits, and there is no room: whether some was made. */
  makeRoom(): boolean;
  /** A connection, the receiver's to close. */
  accepted(connection: Accepted): void;
  /** The system refused to give one; it is tried again. */
  refused(error: PosixError): void;
}

/** Accepts from a listener until it is stopped. */
export class Acceptor {
  readonly #listener: number;
  readonly #watcher: Watcher;
  readonly #events: AcceptorEvents;
  #held = false;
  #resume: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes one.
   *
   * @param listener The listening descriptor, borrowed until {@linkcode stop}.
   */
  constructor(listener: number, watcher: Watcher, events: AcceptorEvents) {
    this.#listener = listener;
    this.#watcher = watcher;
    this.#events = events;
  }

  /** Starts to accept. */
  start(): void {
    this.#watcher.watch(this.#listener, POLLIN, () => this.#take(BATCH));
  }

  /** Goes on if it was held up for want of room. */
  resume(): void {
    if (!this.#held) return;
    this.#held = false;
    this.start();
  }

  /** Takes what is in the backlog at this moment, then accepts no more. */
  stop(most = Infinity): void {
    this.#held = false;
    this.#take(most);
    clearTimeout(this.#resume);
    this.#watcher.unwatch(this.#listener);
  }

  #take(most: number): void {
    for (let i = 0; i < most; i++) {
      if (most === BATCH && !this.#events.hasRoom()) {
        if (i > 0) return; // nobody may be there: who is, is told of again
        if (!this.#makeRoom()) return this.#hold();
      }
      try {
        const connection = accept(this.#listener);
        if (connection === null) return;
        this.#events.accepted(connection);
      } catch (error) {
        if (!(error instanceof PosixError)) throw error;
        this.#events.refused(error);
        if (error.code === "ECONNABORTED" || error.code === "EPROTO") continue; // that client's loss alone
        return this.#pause();
      }
    }
  }

  #makeRoom(): boolean {
    return this.#events.makeRoom() && this.#events.hasRoom();
  }

  #hold(): void {
    this.#held = true;
    this.#watcher.unwatch(this.#listener);
  }

  /** No room (EMFILE, ENFILE, ENOBUFS, ENOMEM): the backlog keeps the connections for a while. */
  #pause(): void {
    this.#watcher.unwatch(this.#listener);
    clearTimeout(this.#resume);
    this.#resume = setTimeout(() => this.start(), PAUSE);
  }
}
