/**
 * How long a connection waits for its client.
 *
 * @module
 */

import { ceil, errors, max, min, now } from "../posix/intrinsics.ts";

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

  /** How long one wait for room to send may last, in milliseconds; 0 for ever. */
  get toSend(): number {
    return this.#limits.idleTimeout;
  }

  /** How long one wait for bytes may last, in milliseconds; 0 for ever. */
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
