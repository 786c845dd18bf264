/**
 * How long a connection waits for its client.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { ceil, errors, max, min, now } from "../posix/intrinsics.ts";
import { pollOne, receiveNow } from "../posix/io.ts";
import { endWriting } from "../posix/net/sockets.ts";

/** The limits, in milliseconds; 0 for none. */
export interface Limits {
  /** How long one wait may last. */
  readonly idleTimeout: number;
  /** How long the client's first byte may take. */
  readonly firstByteTimeout: number;
}

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

/**
 * Ends this side, and throws away what the client still sends until it ends, too.
 *
 * @returns How many bytes that was.
 */
export function linger(fd: number): number {
  let thrownAway = 0;
  endWriting(fd);
  try {
    const end = now() + LINGER.all;
    for (let count; (count = receiveNow(fd, unwanted)) !== 0;) {
      if (count > 0) thrownAway += count;
      if (!pollOne(fd, POLLIN, LINGER.pause) || now() > end) break;
    }
  } catch (error) {
    if (!PosixError.is(error)) throw error;
    // The client is gone: no reset can harm it.
  }
  return thrownAway;
}
