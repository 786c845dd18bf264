/**
 * All that makes a forked copy of the zygote a process of its own, in one place.
 *
 * In the zygote, once, in this order, and with no return to the event loop afterwards:
 * 1. The runtime's pool of threads is parked: an idle thread would make the first blocking operation
 *    of a child hang (`posix/threads.ts`).
 * 2. The event loop is looked at, to be rebuilt in children (`posix/reactor.ts`).
 * 3. Memory is made one that children have too (`posix/memory.ts`).
 * 4. Random state is used up, and identity is made a question instead of a copy (`identity.ts`).
 * 5. SIGCHLD is blocked and becomes a descriptor.
 *
 * In each child, in this order:
 * 1. SIGCHLD is let through again; where the runtime's signal thread exists in the zygote, it does not
 *    here, and signals get their default action, or SIGTERM would be swallowed.
 * 2. Random numbers are its own.
 * 3. If the service is asynchronous, the child gets an event loop of its own; a synchronous one never
 *    comes back to it, and saves the cost.
 * 4. The child ends by `_exit(2)` (a handler that calls `Deno.exit` by exit(3), with its own code):
 *    parked threads would keep its event loop alive for ever.
 *
 * @module
 */
import { resetSignals, unblockChildSignal } from "../posix/forking.ts";
import { prepareMemory } from "../posix/memory.ts";
import { type Reactor, renewReactor, scanReactor } from "../posix/reactor.ts";
import { parkThreadPool } from "../posix/threads.ts";
import {
  renewIdentity,
  renewNodeProcess,
  replaceIdentity,
  useUpRandomness,
} from "./identity.ts";

/** SIGHUP, SIGINT, SIGUSR1, SIGTERM: what the runtime may have put handlers on. */
const HANDLED_SIGNALS = [1, 2, 10, 15];

/** What a child needs of the zygote's preparations. */
export interface Rebirth {
  /** The event loop that is to be replaced. */
  readonly reactor: Reactor;
  /** Whether the zygote has threads, beside the pool's, that children lack. */
  readonly lostThreads: boolean;
}

/** Readies a process to be forked. */
export class ForkPreparation {
  readonly #keepMemoryForkable = prepareMemory();

  /** Before a module is loaded that may keep what it finds, and while FFI permission still stands. */
  constructor() {
    replaceIdentity();
  }

  /**
   * The first four steps above.
   *
   * @param generators Random generators of the service's modules, see {@linkcode useUpRandomness}.
   * @returns What children need.
   * @throws {Error} When this runtime or kernel cannot be forked; the message says why.
   */
  finish(generators: readonly (() => string)[]): Rebirth {
    const lostThreads = parkThreadPool();
    const reactor = scanReactor();
    this.#keepMemoryForkable();
    useUpRandomness(generators);
    return { reactor, lostThreads };
  }
}

/**
 * Makes this forked copy a process of its own.
 *
 * @param rebirth What the zygote prepared.
 * @param asynchronous Whether it will use the event loop.
 */
export function beReborn(rebirth: Rebirth, asynchronous: boolean): void {
  unblockChildSignal();
  if (rebirth.lostThreads) resetSignals(HANDLED_SIGNALS);
  renewIdentity();
  if (!asynchronous) return;
  renewReactor(rebirth.reactor);
  renewNodeProcess();
}
