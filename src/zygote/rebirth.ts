/**
 * All that makes a forked copy of the zygote a process of its own, in one place.
 *
 * In the zygote, once, in this order, and with no return to the event loop afterwards:
 * 1. The runtime's pool of threads is parked: an idle thread would make the first blocking operation
 *    of a child hang (`zygote/threads.ts`).
 * 2. If the service is asynchronous, the event loop is looked at, to be rebuilt in children
 *    (`zygote/event_loop.ts`).
 * 3. Memory is made one that children have too (`zygote/memory.ts`).
 * 4. Identity is made a question instead of a copy; if the service is asynchronous, random state is used
 *    up (`identity.ts`).
 * 5. SIGCHLD is blocked and becomes a descriptor.
 *
 * A synchronous service is one of ours: it draws no random number, and never comes to its event loop.
 * What it does not do needs no preparation; if it did it all the same, the child would fail and say so.
 *
 * In each child, in this order:
 * 1. SIGCHLD is let through again; where the runtime's signal thread exists in the zygote, it does not
 *    here, and signals get their default action, or SIGTERM would be swallowed.
 * 2. If the service is asynchronous, random numbers are its own, and it gets an event loop of its own; a
 *    synchronous one uses neither, and saves the cost.
 * 3. The child ends by `_exit(2)` (a handler that calls `Deno.exit` by exit(3), with its own code):
 *    parked threads would keep its event loop alive for ever.
 *
 * @module
 */
import {
  CHILD_SIGNAL,
  NO_SIGNAL,
  resetSignals,
  type SignalSet,
  unblockChildSignal,
} from "../posix/forking.ts";
import { prepareMemory } from "./memory.ts";
import { setProcessName } from "../posix/process.ts";
import { type Reactor, renewReactor, scanReactor } from "./event_loop.ts";
import { parkThreadPool } from "./threads.ts";
import {
  refuseRandomness,
  renewIdentity,
  renewNodeProcess,
  replaceIdentity,
  useUpRandomness,
} from "./random_state.ts";
import { giveUp } from "../child/uncaught.ts";

/** SIGHUP, SIGINT, SIGUSR1, SIGTERM: what the runtime may have put handlers on. */
const HANDLED_SIGNALS = [1, 2, 10, 15];

/** What a child needs of the zygote's preparations. */
export interface Rebirth {
  /** The event loop that is to be replaced; null where children never come to one. */
  readonly reactor: Reactor | null;
  /** Whether the zygote has threads, beside the pool's, that children lack. */
  readonly lostThreads: boolean;
  /** What it lets through that the zygote holds back. */
  readonly signals: SignalSet;
  /** What it is called. */
  readonly name: string;
}

const CHILD = "mpserv:conn";
/** What a zygote is called. */
export const ZYGOTE = "mpserv:zygote";

/** Always in one shape, so that code which was rehearsed with one fits the other. */
function rebirthOf(
  reactor: Reactor | null,
  lostThreads: boolean,
  signals: SignalSet,
  name: string,
): Rebirth {
  return { reactor, lostThreads, signals, name };
}

/** The same for the zygote itself, which stays what it is when it rehearses. */
export function rehearsedRebirth(
  { reactor, lostThreads }: Rebirth,
): Rebirth {
  return rebirthOf(reactor, lostThreads, NO_SIGNAL, ZYGOTE);
}

/** Readies a process to be forked. */
export class ForkPreparation {
  readonly #asynchronous: boolean;
  readonly #keepMemoryForkable = prepareMemory();

  /**
   * Before a module is loaded that may keep what it finds, and while FFI permission still stands.
   */
  constructor(asynchronous: boolean) {
    this.#asynchronous = asynchronous;
    replaceIdentity();
    if (!asynchronous) refuseRandomness();
  }

  /**
   * The first four steps above.
   *
   * @throws {Error} When this runtime or kernel cannot be forked; the message says why.
   */
  finish(generators: readonly (() => string)[]): Rebirth {
    const lostThreads = parkThreadPool();
    const reactor = this.#asynchronous ? scanReactor() : null;
    this.#keepMemoryForkable();
    if (this.#asynchronous) useUpRandomness(generators);
    else refuseEventLoop();
    for (const name of [CHILD, ZYGOTE]) setProcessName(name); // its bytes are kept
    return rebirthOf(reactor, lostThreads, CHILD_SIGNAL, CHILD);
  }
}

/**
 * Ends the child that comes to the event loop, which is the zygote's, too: each would take what the other
 * waits for. What nobody caught is the first thing that the runtime looks for there; the zygote itself does not
 * come there any more.
 */
function refuseEventLoop(): void {
  const error = new TypeError(
    "a forked process came to an event loop that its zygote has, too",
  );
  addEventListener("unhandledrejection", () => giveUp(error));
  void Promise.reject(error);
}

/** Makes this forked copy a process of its own. */
export function beReborn(
  { lostThreads, reactor, signals }: Rebirth,
): void {
  unblockChildSignal(signals);
  if (lostThreads) resetSignals(HANDLED_SIGNALS);
  if (reactor === null) return;
  renewIdentity();
  renewReactor(reactor);
  renewNodeProcess();
}
