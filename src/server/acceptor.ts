/**
 * Accepts connections from the backlog, and waits at the end for clients that have begun to connect.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { handshakes } from "../posix/net/socket_diagnostics.ts";
import { accept, type Accepted } from "../posix/net/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import { within } from "./countdown.ts";

/** How long to leave connections in the backlog when the system has no room, in milliseconds. */
const PAUSE = 100;
/** How many connections to take before other descriptors get their turn. */
const BATCH = 64;

interface AcceptorEvents {
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

  /** `listener`: the listening descriptor, borrowed until {@linkcode stop}. */
  constructor(listener: number, watcher: Watcher, events: AcceptorEvents) {
    this.#listener = listener;
    this.#watcher = watcher;
    this.#events = events;
  }

  start(): void {
    this.#watcher.watch(this.#listener, abi.POLLIN, () => this.#take(BATCH));
  }

  /** Goes on if it was held up for want of room. */
  resume(): void {
    if (!this.#held) return;
    this.#held = false;
    this.start();
  }

  /** Accepts the connections that are in the backlog now, and no more after them. */
  stop(most = Infinity): void {
    this.#held = false;
    this.#take(most);
    clearTimeout(this.#resume);
    this.#watcher.unwatch(this.#listener);
  }

  #take(most: number): void {
    for (let i = 0; i < most; i++) {
      if (most === BATCH && !this.#events.hasRoom()) {
        if (i > 0) return; // there may be none; for others another event follows
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

/** How often the kernel is asked whether any is left, in milliseconds. */
const BEAT = 5;
/** How long clients that do not finish are waited for, in milliseconds: one answer of ours may get lost. */
const PATIENCE = 3_000;
/** How long all are waited for where the kernel does not say who there is, in milliseconds. */
const BLIND = 50;

/** Waits until no client is in the middle of connecting: all are in the backlog, or gone. */
export async function finishHandshakes(
  listener: Deno.NetAddr,
  hurried: Promise<void>,
): Promise<void> {
  const end = performance.now() + PATIENCE;
  // One that was answered at the moment at which others were shut out may not be told of at the first look.
  for (let none = 0; none < 2 && performance.now() < end;) {
    const left = count(listener);
    if (left === null) return void await within(BLIND, hurried);
    none = left === 0 ? none + 1 : 0;
    if (await within(left === 0 ? 0 : BEAT, hurried)) return;
  }
}

/** Null where the kernel does not say. */
function count(listener: Deno.NetAddr): number | null {
  try {
    return handshakes(listener);
  } catch (error) {
    if (error instanceof PosixError) return null;
    throw error;
  }
}
