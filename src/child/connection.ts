/**
 * The connection inside the process that serves it.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import { errors, lengthOf, own, Promise } from "../posix/intrinsics.ts";
import {
  pollLater,
  pollOne,
  read,
  receiveNow,
  sendNow,
  write,
} from "../posix/io.ts";
import { type Address, decodeAddress } from "../posix/net/address.ts";
import {
  endWriting,
  localAddress,
  setKeepAlive,
  setNoDelay,
  setReceiveTimeout,
  setTimeouts,
  shutdownBoth,
  shutdownWrite,
} from "../posix/net/sockets.ts";
import { monotonic } from "../posix/process.ts";
import type { AnyConnection, SendOnly } from "../service/service.ts";
import type { Handover } from "../wire/records.ts";
import {
  bytesAfter,
  bytesOf,
  linger,
  Patience,
  Streams,
  unwanted,
} from "./streams.ts";
import { attempt } from "./errors.ts";

const { POLLIN, POLLOUT } = abi;

/** How long it waits itself before a thread does, in milliseconds. */
const QUICK = 1;
/**
 * How many turns of the microtask queue a stream gets to ask for more, once the handler is done: a pipe takes
 * some of them between one chunk and the next.
 */
const TURNS = 100;

/** The bytes and the end of a connection, which its handler cannot change. */
interface Traffic {
  /** Bytes that came from the client so far. */
  readonly bytesIn: number;
  /** Bytes that went to the client so far. */
  readonly bytesOut: number;
  /** Which limit of time it met; undefined when it met none. */
  readonly exceeded: "idle" | "first-byte" | undefined;
  /** When the client ended its side, see {@linkcode monotonic}; 0 where that was not seen. */
  readonly clientEndedAt: number;
}

/** What the process itself does with a connection, whatever its handler has made of the methods. */
interface Keeper {
  trafficOf(connection: FdConnection): Traffic;
  /**
   * Ends this side, and throws away what the client still sends until it ends, too: closing a socket with
   * bytes unread makes the kernel reset the connection, and the client may lose the end of its answer
   * (RFC 1122, 4.2.2.13). It blocks the process, which has nothing else to do.
   */
  finish(connection: FdConnection): void;
  /** Closes it; again is harmless. */
  close(connection: FdConnection): void;
  /**
   * Whether its handler, which is done, still waits for something or goes on to read or write. Where a
   * stream of it may be asked for more in a moment, the answer takes that long.
   */
  isInUse(connection: FdConnection): boolean | Promise<boolean>;
  /** What the built-in services have, and no handler. */
  readonly sendOnly: SendOnly;
}
export let keeper: Keeper;

/**
 * A connection over a raw descriptor. A handler gets it, and can alter every property of it and its class:
 * what the process itself does with it goes by {@linkcode keeper}, and by private names.
 */
export class FdConnection implements AnyConnection {
  readonly id: number;
  readonly #fd: Fd;
  readonly #patience: Patience;
  readonly #peer: Uint8Array<ArrayBuffer>;
  readonly #stop: () => AbortSignal;
  #local: Address | undefined;
  #bytesIn = 0;
  #bytesOut = 0;
  /** Reads and writes that were begun. */
  #begun = 0;
  /** Waits on other threads that still use the descriptor's number. */
  #waits = 0;
  #closed = false;
  /** When the client's end of file came; 0 until then. */
  #clientEndedAt = 0;
  /** Whether this side has been ended. */
  #ended = false;
  /** Whether to wait for pending reads and writes. */
  #referenced = true;
  #streams: Streams | undefined;

  static {
    keeper = {
      trafficOf: (connection) => ({
        bytesIn: connection.#bytesIn,
        bytesOut: connection.#bytesOut,
        exceeded: connection.#patience.exceeded,
        clientEndedAt: connection.#clientEndedAt,
      }),
      finish: (connection) => connection.#finish(),
      close: (connection) => connection.#close(),
      isInUse: (connection) => connection.#isInUse(),
      sendOnly: (connection, bytes) => {
        const own = connection as FdConnection;
        own.#sendAll(
          bytesOf(bytes, "write"),
          sendNow,
          () => own.#discardUntilRoom(),
        );
      },
    };
    // By its class a handler could make one of any descriptor.
    Object.defineProperty(FdConnection.prototype, "constructor", {
      value: Object,
    });
  }

  /** `fd`: the connection, blocking; this object closes it. */
  constructor(
    fd: Fd,
    handover: Pick<Handover, "id" | "peer">,
    options: ConstructorParameters<typeof Patience>[0] & {
      stop: () => AbortSignal;
    },
  ) {
    this.#fd = fd;
    this.#patience = new Patience(options);
    this.#stop = options.stop;
    this.#peer = handover.peer;
    this.id = handover.id;
    const { toSend } = this.#patience;
    if (toSend > 0) setTimeouts(fd.number, toSend);
  }

  get remoteAddr(): Address {
    return decodeAddress(this.#peer);
  }

  get localAddr(): Address {
    return this.#ownAddress();
  }

  get signal(): AbortSignal {
    return this.#stop();
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#ownStreams.readable;
  }

  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    return this.#ownStreams.writable;
  }

  readSync(buffer: Uint8Array): number | null {
    const bytes = bytesOf(buffer, "read into");
    if (lengthOf(bytes) === 0) return 0;
    this.#begun++;
    if (this.#patience.awaitsFirstByte) this.#limitReceiving();
    const count = this.#came(attempt(() => read(this.#number, bytes)));
    if (count === undefined) throw this.#patience.lose();
    return count;
  }

  writeSync(bytes: Uint8Array): number {
    return this.#sendAll(bytesOf(bytes, "write"), write, () => {
      throw this.#patience.lose();
    });
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#write(bytes);
  }

  async #read(buffer: Uint8Array): Promise<number | null> {
    const bytes = bytesOf(buffer, "read into");
    this.#begun++;
    for (;;) {
      // Not asked only once: it can be taken away meanwhile.
      if (lengthOf(bytes) === 0) return 0;
      const count = this.#came(attempt(() => receiveNow(this.#number, bytes)));
      if (count !== undefined) return count;
      await own(this.#ready(POLLIN, this.#patience.toReceive));
    }
  }

  async #write(bytes: Uint8Array): Promise<number> {
    const all = bytesOf(bytes, "write");
    this.#begun++;
    void this.#number; // throws where it is closed
    let sent = 0;
    for (let rest = all; lengthOf(rest) > 0;) {
      const count = attempt(() => sendNow(this.#number, rest));
      if (count < 0) await own(this.#ready(POLLOUT, this.#patience.toSend));
      else {
        this.#bytesOut += count;
        sent += count;
        rest = bytesAfter(rest, count);
      }
    }
    return sent;
  }

  closeWrite(): Promise<void> {
    return this.#closeWrite();
  }

  #closeWrite(): Promise<void> {
    return new Promise((resolve) => {
      attempt(() => shutdownWrite(this.#number));
      this.#ended = true;
      resolve();
    });
  }

  setNoDelay(noDelay: boolean = true): void {
    this.#setOption((fd) => setNoDelay(fd, noDelay));
  }

  setKeepAlive(keepAlive: boolean = true): void {
    this.#setOption((fd) => setKeepAlive(fd, keepAlive));
  }

  ref(): void {
    this.#referenced = true;
  }

  unref(): void {
    this.#referenced = false;
  }

  close(): void {
    this.#closeForHandler();
  }

  [Symbol.dispose](): void {
    this.#closeForHandler();
  }

  #closeForHandler(): void {
    if (!this.#closed) this.#ownAddress(); // it can still be asked for later
    this.#close();
  }

  #ownAddress(): Address {
    return this.#local ??= localAddress(this.#number, this.#peer);
  }

  get #ownStreams(): Streams {
    return this.#streams ??= new Streams({
      read: (bytes) => this.#read(bytes),
      write: (bytes) => this.#write(bytes),
      closeWrite: () => this.#closeWrite(),
      close: () => this.#closeForHandler(),
    });
  }

  #finish(): void {
    if (this.#closed || this.#clientEndedAt > 0 || this.#waits > 0) return;
    this.#bytesIn += linger(this.#fd.number);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#waits > 0) return shutdownBoth(this.#fd.number); // wakes them; the last one closes
    // The parent may hold its copy a moment longer: the client must not wait for its end of file.
    endWriting(this.#fd.number);
    this.#fd.close();
  }

  #isInUse(): boolean | Promise<boolean> {
    if (this.#closed || !this.#referenced) return false;
    if (this.#waits > 0) return true;
    const streams = this.#streams;
    if (streams === undefined) return false;
    const mayRead = streams.isRead && this.#clientEndedAt === 0;
    const mayWrite = streams.isWritten && !this.#ended;
    return mayRead || mayWrite ? this.#goesOn() : false;
  }

  /** Whether an operation has begun after the users of a stream had a chance to begin one. */
  async #goesOn(): Promise<boolean> {
    const before = this.#begun;
    for (let turn = 0; turn < TURNS; turn++) {
      await undefined;
      if (this.#begun > before) return !this.#closed && this.#referenced;
    }
    return false;
  }

  #setOption(set: (fd: number) => void): void {
    const fd = this.#number;
    if (decodeAddress(this.#peer).transport === "unix") return; // Unix domain sockets have no such thing
    attempt(() => set(fd));
  }

  /** Sends until nothing is left, and calls `wait` when nothing goes. */
  #sendAll(
    bytes: Uint8Array<ArrayBuffer>,
    send: typeof write,
    wait: () => void,
  ): number {
    this.#begun++;
    void this.#number; // throws where it is closed
    for (let rest = bytes; lengthOf(rest) > 0;) {
      const count = attempt(() => send(this.#number, rest));
      if (count < 0) wait();
      else {
        this.#bytesOut += count;
        rest = bytesAfter(rest, count);
      }
    }
    return lengthOf(bytes);
  }

  get #number(): number {
    if (this.#closed) {
      throw new errors.BadResource(
        "Cannot use the connection: it is closed",
      );
    }
    return this.#fd.number;
  }

  /** Waits for room to send, and discards what the client sends. */
  #discardUntilRoom(): void {
    const fd = this.#number;
    const { toSend } = this.#patience;
    for (;;) {
      const events = this.#clientEndedAt > 0 ? POLLOUT : POLLIN | POLLOUT;
      const ready = pollOne(fd, events, toSend === 0 ? -1 : toSend);
      if (!ready) throw this.#patience.lose();
      if (ready & ~POLLIN) return; // room, or an error that the next write tells
      this.#came(attempt(() => receiveNow(fd, unwanted)));
    }
  }

  /** Interprets a read: null at the client's end, undefined if no byte was there. */
  #came(count: number): number | null | undefined {
    if (count < 0) return undefined;
    if (this.#patience.awaitsFirstByte) {
      this.#patience.stopWaitingForFirstByte();
      this.#limitReceiving();
    }
    if (count === 0) {
      this.#clientEndedAt = monotonic();
      return null;
    }
    this.#bytesIn += count;
    return count;
  }

  #limitReceiving(): void {
    setReceiveTimeout(this.#number, this.#patience.toReceive);
  }

  async #ready(events: number, patience: number): Promise<void> {
    // Most answers are quick, and a thread that waits must be started first.
    if (pollOne(this.#number, events, QUICK)) return;
    this.#waits++;
    const timeout = patience === 0 ? -1 : patience;
    const ready = await own(pollLater(this.#number, events, timeout));
    this.#waits--;
    if (this.#closed && this.#waits === 0) this.#fd.close();
    if (this.#closed) {
      throw new errors.Interrupted(
        "Connection was closed while it was waited for",
      );
    }
    if (ready === 0) throw this.#patience.lose();
  }
}
