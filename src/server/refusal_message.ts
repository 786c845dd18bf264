/**
 * Closing a refused connection, with a message.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { receiveNow, sendNow } from "../posix/io.ts";
import { endWriting } from "../posix/net/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Countdown } from "./countdown.ts";

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

  /**
   * Makes one.
   *
   * @param text What to send; empty to close without a message.
   */
  constructor(text: Uint8Array<ArrayBuffer>, watcher: Watcher) {
    this.#text = text;
    this.#watcher = watcher;
  }

  /**
   * Sends the message, as far as it goes at once, and closes.
   *
   * @param fd The connection, from here on ours.
   */
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
    this.#watcher.watch(fd.number, POLLIN, () => this.#read(fd));
  }

  /** Closes what is left. */
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
