/**
 * All that makes a forked copy of the zygote a process of its own, in one place.
 *
 * In the zygote, once, in this order, and with no return to the event loop afterwards:
 * 1. The runtime's pool of threads is parked: an idle thread would make the first blocking operation
 *    of a child hang (`posix/threads.ts`).
 * 2. The event loop is looked at, to be rebuilt in children (`posix/reactor.ts`).
 * 3. Memory is made one that children have too (`posix/memory.ts`).
 * 4. Random state is used up, and identity is made a question instead of a copy (`identity.ts`).
 * 5. Permissions are given up, for all children at once.
 * 6. SIGCHLD is blocked and becomes a descriptor.
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
import type { Fd } from "../posix/fd.ts";
import {
  resetSignals,
  unblockChildSignal,
  watchChildren,
} from "../posix/forking.ts";
import { keepMemoryForkable } from "../posix/memory.ts";
import { type Reactor, renewReactor, scanReactor } from "../posix/reactor.ts";
import { parkThreadPool } from "../posix/threads.ts";
import {
  prepareIdentity,
  renewIdentity,
  renewNodeProcess,
} from "./identity.ts";
import { revokePermissions } from "../permissions.ts";

/** SIGHUP, SIGINT, SIGUSR1, SIGTERM: what the runtime may have put handlers on. */
const HANDLED_SIGNALS = [1, 2, 10, 15];

/** What a child needs of the zygote's preparations. */
export interface Rebirth {
  /** The event loop that is to be replaced. */
  readonly reactor: Reactor;
  /** Whether the zygote has threads, beside the pool's, that children lack. */
  readonly lostThreads: boolean;
}

/**
 * Readies this process to be forked; the first four steps above.
 *
 * @param generators Random generators of the service's modules, see {@linkcode prepareIdentity}.
 * @returns What children need.
 * @throws {Error} When this runtime or kernel cannot be forked; the message says why.
 */
export function prepareRebirth(generators: readonly (() => string)[]): Rebirth {
  const lostThreads = parkThreadPool();
  const reactor = scanReactor();
  keepMemoryForkable();
  prepareIdentity(generators);
  return { reactor, lostThreads };
}

/**
 * Steps 5 and 6: from here on this process only forks and reaps.
 *
 * @param grants Permissions that children keep.
 * @returns Readable when a child has ended; the caller's to close.
 */
export function settleDown(grants: readonly string[]): Fd {
  revokePermissions(grants);
  return watchChildren();
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
