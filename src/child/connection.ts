/**
 * The connection inside the process that serves it.
 *
 * @module
 */
import { POLLIN, POLLOUT } from "../posix/abi.ts";
import { type Address, decodeAddress } from "../posix/address.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import {
  poll,
  pollLater,
  read,
  receiveNow,
  sendNow,
  write,
} from "../posix/io.ts";
import {
  endWriting,
  localAddress,
  setReceiveTimeout,
  setTimeouts,
  shutdownBoth,
  shutdownWrite,
} from "../posix/sockets.ts";
import type { TellingConnection } from "../service/service.ts";
import { type Limits, Patience } from "./patience.ts";
import { readableOf, writableOf } from "./streams.ts";
import type { Handover } from "./wire.ts";

/** How long it waits itself before a thread does, in milliseconds. */
const QUICK = 1;
/** Once its answer is out, how long a client may pause, and how long it may send in all: milliseconds. */
const LINGER = { pause: 1_000, all: 30_000 };
/** Where bytes go that nobody wants. */
const unwanted = new Uint8Array(64 * 1024);

/** A connection over a raw descriptor, with counts of what went through it. */
export class FdConnection implements TellingConnection {
  readonly id: number;
  /** Bytes that came from the client so far. */
  bytesIn = 0;
  /** Bytes that went to the client so far. */
  bytesOut = 0;
  readonly #fd: Fd;
  readonly #patience: Patience;
  readonly #peer: Uint8Array<ArrayBuffer>;
  readonly #stop: () => AbortSignal;
  /** Waits on other threads that still use the descriptor's number. */
  #waits = 0;
  #closed = false;
  /** Whether the client's end of file came. */
  #clientEnded = false;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #writable: WritableStream<Uint8Array<ArrayBuffer>> | undefined;

  /**
   * Makes one.
   *
   * @param fd The connection, blocking; this object closes it.
   * @param handover What came with it.
   * @param options How long it waits for the client; `stop` gives the signal that is aborted when the
   *   server drains.
   */
  constructor(
    fd: Fd,
    handover: Handover,
    options: Limits & { stop: () => AbortSignal },
  ) {
    this.#fd = fd;
    this.#patience = new Patience(options);
    this.#stop = options.stop;
    this.#peer = handover.peer;
    this.id = handover.id;
    const { toSend } = this.#patience;
    if (toSend > 0) setTimeouts(fd.number, toSend);
  }

  /** Which limit of time it met; undefined when it met none. */
  get exceeded(): "idle" | "first-byte" | undefined {
    return this.#patience.exceeded;
  }

  get remoteAddr(): Address {
    return decodeAddress(this.#peer);
  }

  get localAddr(): Address {
    return localAddress(this.#number);
  }

  get signal(): AbortSignal {
    return this.#stop();
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#readable ??= readableOf(this);
  }

  get writable(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#writable ??= writableOf(this);
  }

  readSync(buffer: Uint8Array<ArrayBuffer>): number | null {
    if (this.#patience.awaitsFirstByte) this.#limitReceiving();
    const count = this.#came(attempt(() => read(this.#number, buffer)));
    if (count === undefined) throw this.#patience.lose();
    return count;
  }

  writeSync(bytes: Uint8Array<ArrayBuffer>): number {
    for (let sent = 0; sent < bytes.length;) {
      const rest = sent === 0 ? bytes : bytes.subarray(sent);
      const count = attempt(() => write(this.#number, rest));
      if (count < 0) throw this.#patience.lose();
      sent += count;
      this.bytesOut += count;
    }
    return bytes.length;
  }

  tellSync(bytes: Uint8Array<ArrayBuffer>): number {
    for (let sent = 0; sent < bytes.length;) {
      const count = attempt(() => sendNow(this.#number, bytes.subarray(sent)));
      if (count < 0) this.#discardUntilRoom();
      else {
        sent += count;
        this.bytesOut += count;
      }
    }
    return bytes.length;
  }

  async read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    for (;;) {
      const count = this.#came(attempt(() => receiveNow(this.#number, buffer)));
      if (count !== undefined) return count;
      await this.#ready(POLLIN, this.#patience.toReceive);
    }
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    for (let sent = 0; sent < bytes.length;) {
      const count = attempt(() => sendNow(this.#number, bytes.subarray(sent)));
      if (count < 0) await this.#ready(POLLOUT, this.#patience.toSend);
      else {
        sent += count;
        this.bytesOut += count;
      }
    }
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) =>
      resolve(attempt(() => shutdownWrite(this.#number)))
    );
  }

  /**
   * Ends this side, and throws away what the client still sends until it ends, too: closing a socket
   * with bytes unread makes the kernel reset the connection, and the client may lose the end of its
   * answer (RFC 1122, 4.2.2.13). It blocks the process, which has nothing else to do.
   */
  finish(): void {
    if (this.#closed || this.#clientEnded || this.#waits > 0) return;
    const fd = this.#fd.number;
    endWriting(fd);
    try {
      const end = performance.now() + LINGER.all;
      for (let count; (count = receiveNow(fd, unwanted)) !== 0;) {
        if (count > 0) this.bytesIn += count;
        const [ready] = poll([{ fd, events: POLLIN }], LINGER.pause);
        if (!ready || performance.now() > end) return;
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      // The client is gone: nobody is left to spare.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#waits > 0) return shutdownBoth(this.#fd.number); // wakes them; the last one closes
    // The parent may hold its copy a moment longer: the client must not wait for its end of file.
    endWriting(this.#fd.number);
    this.#fd.close();
  }

  /** Closes it at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  get #number(): number {
    if (this.#closed) {
      throw new Deno.errors.BadResource(
        "Cannot use the connection: it is closed",
      );
    }
    return this.#fd.number;
  }

  /** Waits for room to send into, and throws away what comes. */
  #discardUntilRoom(): void {
    const fd = this.#number;
    const { toSend } = this.#patience;
    for (;;) {
      const events = this.#clientEnded ? POLLOUT : POLLIN | POLLOUT;
      const [ready] = poll([{ fd, events }], toSend === 0 ? -1 : toSend);
      if (!ready) throw this.#patience.lose();
      if (ready & ~POLLIN) return; // room, or an error that the next write tells
      this.#came(attempt(() => receiveNow(fd, unwanted)));
    }
  }

  /** What a read found: null at the client's end, undefined when nothing was there. */
  #came(count: number): number | null | undefined {
    if (count < 0) return undefined;
    if (this.#patience.awaitsFirstByte) {
      this.#patience.stopWaitingForFirstByte();
      this.#limitReceiving();
    }
    if (count === 0) {
      this.#clientEnded = true;
      return null;
    }
    this.bytesIn += count;
    return count;
  }

  #limitReceiving(): void {
    setReceiveTimeout(this.#number, this.#patience.toReceive);
  }

  async #ready(events: number, patience: number): Promise<void> {
    // Most answers are quick, and a thread that waits must be started first.
    if (poll([{ fd: this.#number, events }], QUICK)[0]) return;
    this.#waits++;
    const timeout = patience === 0 ? -1 : patience;
    const ready = await pollLater(this.#number, events, timeout);
    this.#waits--;
    if (this.#closed && this.#waits === 0) this.#fd.close();
    if (this.#closed) {
      throw new Deno.errors.Interrupted(
        "Connection was closed while it was waited for",
      );
    }
    if (ready === 0) throw this.#patience.lose();
  }
}

/** Throws what `Deno.Conn` throws for the same error, so that code written for it can catch it. */
function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    const DenoError = DENO_ERRORS[error.code];
    throw DenoError ? new DenoError(error.message) : error;
  }
}

const DENO_ERRORS: Readonly<Record<string, new (message: string) => Error>> = {
  ECONNRESET: Deno.errors.ConnectionReset,
  EPIPE: Deno.errors.BrokenPipe,
  ENOTCONN: Deno.errors.NotConnected,
  ETIMEDOUT: Deno.errors.TimedOut,
};
