/**
 * Web streams over a connection, with backpressure: bytes are read when somebody wants them, and
 * written when the client takes them.
 *
 * Bytes that a handler gives, as they are and not as they say they are: an object may call itself a
 * `Uint8Array`, or one may have a `length` of its own, and the system would read or write beyond it.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { abi } from "../posix/abi.ts";
import {
  ArrayBuffer,
  bufferOf,
  ceil,
  errors,
  getterOf,
  given,
  includes,
  kindOf as classOf,
  lengthOf,
  max,
  min,
  now,
  offsetOf,
  own,
  slice,
  TypeError,
  Uint8Array,
  uncurry,
} from "../posix/intrinsics.ts";
import { endWriting } from "../posix/net/sockets.ts";
import { pollOne, receiveNow } from "../posix/io.ts";
import type { Connection } from "../service/service.ts";
import type { ChildOptions } from "../wire/child_options.ts";

/** Bytes whose methods are not replaced. */
type Bytes = Uint8Array<ArrayBuffer>;

const { prototype } = Uint8Array;
const View = Object.getPrototypeOf(prototype);
/** The runtime's own getters, whatever a handler puts in their place. */
const kindOf = getterOf<string | undefined>(View, Symbol.toStringTag);
const ofDataView = {
  buffer: getterOf<ArrayBuffer>(DataView.prototype, "buffer"),
  offset: getterOf<number>(DataView.prototype, "byteOffset"),
  size: getterOf<number>(DataView.prototype, "byteLength"),
};
const { isView } = ArrayBuffer;
const sizeOfBuffer = getterOf<number>(ArrayBuffer.prototype, "byteLength");
const sizeOfShared = getterOf<number>(
  SharedArrayBuffer.prototype,
  "byteLength",
);

/**
 * Checks the argument of a connection's method: like `Deno.Conn`, it accepts only a `Uint8Array`. Returns the same
 * bytes. Throws `TypeError` when it is something else.
 */
export function bytesOf(value: unknown, verb: "write" | "read into"): Bytes {
  if (kindOf(value) === "Uint8Array") return plain(value as Uint8Array);
  throw new TypeError(
    `Cannot ${verb} ${nameOf(value)}: give the connection a Uint8Array`,
  );
}

/**
 * Checks a chunk of a writable stream: like `Deno.Conn`, it accepts everything that has bytes. Returns its bytes.
 * Throws `TypeError` when it has none.
 */
function bytesOfAny(value: unknown): Bytes {
  if (kindOf(value) !== undefined) return plain(value as Uint8Array);
  if (isView(value)) {
    return new Uint8Array(
      ofDataView.buffer(value),
      ofDataView.offset(value),
      ofDataView.size(value),
    );
  }
  if (answers(sizeOfBuffer, value) || answers(sizeOfShared, value)) {
    return new Uint8Array(value as ArrayBuffer);
  }
  throw new TypeError(
    `Cannot write ${
      nameOf(value)
    }: give the stream an ArrayBuffer or a view of one`,
  );
}

/** The remaining bytes. `bytes`: the bytes. */
export function bytesAfter(bytes: Bytes, count: number): Bytes {
  const left = max(0, lengthOf(bytes) - count);
  if (left === 0) return NONE;
  return new Uint8Array(bufferOf(bytes), offsetOf(bytes) + count, left);
}

const NONE = new Uint8Array(0);

/** A view of the same memory that is of no class but the runtime's. */
function plain(view: Uint8Array): Bytes {
  const size = lengthOf(view);
  if (size === 0) return NONE; // its buffer may be gone
  return new Uint8Array(bufferOf(view), offsetOf(view), size);
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return `${value}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = kindOf(value) ?? slice(classOf(value), 8, -1);
  return includes("AEIO", name[0] ?? "-") ? `an ${name}` : `a ${name}`;
}

/** Whether something is of the class that a getter is for, whatever it calls itself. */
function answers(getter: (value: unknown) => unknown, value: unknown): boolean {
  try {
    getter(value);
    return true;
  } catch {
    return false;
  }
}

/** The methods that a stream needs of a connection, even if its handler replaces them. */
type Duplex = Pick<
  Connection,
  "read" | "write" | "closeWrite" | "close"
>;

const CHUNK = 64 * 1024;

type ByobRequest = ReadableStreamBYOBRequest;

/** The runtime's streams as they are now. */
function streamsOfRuntime() {
  const {
    ReadableByteStreamController,
    ReadableStream,
    ReadableStreamBYOBRequest,
    WritableStream,
  } = globalThis;
  const controller = ReadableByteStreamController.prototype;
  const request = ReadableStreamBYOBRequest.prototype;
  return {
    ReadableStream,
    WritableStream,
    requestOf: getterOf<ByobRequest>(controller, "byobRequest"),
    viewOf: getterOf<Uint8Array>(request, "view"),
    respond: uncurry(request, "respond"),
    end: uncurry(controller, "close"),
    isReadLocked: getterOf<boolean>(ReadableStream.prototype, "locked"),
    isWriteLocked: getterOf<boolean>(WritableStream.prototype, "locked"),
  };
}

let kept: ReturnType<typeof streamsOfRuntime> | undefined;

/**
 * Keeps the runtime's streams, before a person's module may replace them. The runtime loads them when they are touched
 * first, which takes as long as a tenth of its start: a process of a service of ours does without.
 */
export function keepStreams(): ReturnType<typeof streamsOfRuntime> {
  return kept ??= streamsOfRuntime();
}

/** The two streams of a connection, each made when it is asked for. */
export class Streams {
  readonly #connection: Duplex;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #writable: WritableStream<Uint8Array<ArrayBufferLike>> | undefined;

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** The client's bytes, to its half-close. Cancelling it closes the connection. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const connection = this.#connection;
    return this.#readable ??= new (keepStreams().ReadableStream)({
      __proto__: null,
      type: "bytes",
      autoAllocateChunkSize: CHUNK,
      pull: (controller) => given(fill(controller, connection)),
      cancel() {
        connection.close();
      },
    } as UnderlyingByteSource);
  }

  /** Writes to the client. Closing it ends this side (half-close); aborting it closes the connection. */
  get writable(): WritableStream<Uint8Array<ArrayBufferLike>> {
    const connection = this.#connection;
    return this.#writable ??= new (keepStreams().WritableStream)({
      __proto__: null,
      write: (chunk) => given(send(chunk, connection)),
      close: () => given(connection.closeWrite()),
      abort: () => connection.close(),
    } as UnderlyingSink<Uint8Array<ArrayBufferLike>>);
  }

  /** Whether somebody reads from it. */
  get isRead(): boolean {
    return this.#readable !== undefined &&
      keepStreams().isReadLocked(this.#readable);
  }

  /** Whether somebody writes to it. */
  get isWritten(): boolean {
    return this.#writable !== undefined &&
      keepStreams().isWriteLocked(this.#writable);
  }
}

async function fill(
  controller: ReadableStreamController<Uint8Array>,
  connection: Duplex,
): Promise<void> {
  const { end, requestOf, respond, viewOf } = keepStreams();
  const request = requestOf(controller);
  const count = await own(connection.read(viewOf(request)));
  if (count !== null) return respond(request, count);
  end(controller as ReadableByteStreamController);
  respond(request, 0);
}

async function send(chunk: unknown, connection: Duplex): Promise<void> {
  await own(connection.write(bytesOfAny(chunk)));
}

/* How long a connection waits for its client. */

/** In milliseconds; 0 for none. */
type Limits = Pick<ChildOptions, "idleTimeout" | "firstByteTimeout">;

/** Knows how long the next wait may last, and which limit a wait in vain has met. */
export class Patience {
  readonly #limits: Limits;
  /** When the first byte is late, on the clock of `performance.now()`; Infinity once it is not waited for. */
  #due: number;
  #exceeded: "idle" | "first-byte" | undefined;

  /** Makes one; the time for the first byte begins. */
  constructor(limits: Limits) {
    this.#limits = limits;
    const { firstByteTimeout } = limits;
    this.#due = firstByteTimeout === 0 ? Infinity : now() + firstByteTimeout;
  }

  /** Whether the first byte has not come and may be late. */
  get awaitsFirstByte(): boolean {
    return this.#due !== Infinity;
  }

  /** How long one wait for room to send may last, in milliseconds; 0 forever. */
  get toSend(): number {
    return this.#limits.idleTimeout;
  }

  /** How long one wait for bytes may last, in milliseconds; 0 forever. */
  get toReceive(): number {
    const { idleTimeout } = this.#limits;
    if (this.#due === Infinity) return idleTimeout;
    const left = max(1, ceil(this.#due - now()));
    return idleTimeout === 0 ? left : min(left, idleTimeout);
  }

  /** Which limit was met; undefined when none was. */
  get exceeded(): "idle" | "first-byte" | undefined {
    return this.#exceeded;
  }

  /** The first byte has come, or will not. */
  stopWaitingForFirstByte(): void {
    this.#due = Infinity;
  }

  /** A wait was in vain. */
  lose(): Error {
    const { idleTimeout, firstByteTimeout } = this.#limits;
    const late = now() + 1 >= this.#due; // the wait was whole milliseconds
    this.#exceeded = late ? "first-byte" : "idle";
    return new errors.TimedOut(
      late
        ? `Connection had no byte for ${firstByteTimeout} ms`
        : `Connection was idle for ${idleTimeout} ms`,
    );
  }
}

/** Once its answer is out, how long a client may pause, and how long it may send in all: milliseconds. */
const LINGER = { pause: 1_000, all: 30_000 };

/** A buffer for discarded bytes. */
export const unwanted: Uint8Array<ArrayBuffer> = new Uint8Array(64 * 1024);

/** Ends this side, and throws away what the client still sends until it ends, too. Returns how many bytes that was. */
export function linger(fd: number): number {
  let thrownAway = 0;
  endWriting(fd);
  try {
    const end = now() + LINGER.all;
    for (let count; (count = receiveNow(fd, unwanted)) !== 0;) {
      if (count > 0) thrownAway += count;
      if (!pollOne(fd, abi.POLLIN, LINGER.pause) || now() > end) break;
    }
  } catch (error) {
    if (!PosixError.is(error)) throw error;
    // The client is gone: no reset can harm it.
  }
  return thrownAway;
}
