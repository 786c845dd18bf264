/**
 * Reaping what nobody else reaps: children of a zygote that died, and processes that a program left
 * behind. The parent inherits them (`PR_SET_CHILD_SUBREAPER`, or as the first process of a container).
 *
 * @module
 */
import {
  becomeSubreaper,
  hasChild,
  peekEnded,
  reap,
  UNKNOWN_STATUS,
} from "../posix/forking.ts";
import { isKeptForRuntime } from "./runtime.ts";

/** Those who watch, each for its own children: none may reap another's. */
const watching = new Set<Orphans>();

/** Adopts and reaps. */
export class Orphans {
  readonly #adopted = new Map<number, (status: number) => void>();
  readonly #isOurs: (pid: number) => boolean;
  readonly #sweep = () => this.sweep();

  /** Starts to watch for the end of adopted processes. */
  constructor(isOurs: (pid: number) => boolean) {
    this.#isOurs = isOurs;
    watching.add(this);
    becomeSubreaper();
    Deno.addSignalListener("SIGCHLD", this.#sweep);
  }

  /** How many processes were adopted and have not ended. */
  get size(): number {
    return this.#adopted.size;
  }

  /** Takes a process over from a zygote that has gone. */
  adopt(pid: number, ended: (status: number) => void): void {
    this.#adopted.set(pid, ended);
  }

  /** Reaps what has ended. */
  sweep(): void {
    for (const [pid, ended] of this.#adopted) {
      const child = reap(pid);
      if (!child) continue;
      this.#adopted.delete(pid);
      ended(child.status);
    }
    for (let pid; (pid = peekEnded()) > 0;) {
      const isAwaited = isKeptForRuntime(pid) ||
        [...watching].some((one) => one.#isOurs(pid));
      if (isAwaited || reap(pid) === null) return;
    }
  }

  /**
   * Settles those that were reaped already: a zygote that is killed between reaping a child and saying so
   * takes the status with it.
   */
  settleLost(isReady: (pid: number) => boolean): void {
    for (const [pid, ended] of this.#adopted) {
      if (!isReady(pid) || hasChild(pid)) continue;
      this.#adopted.delete(pid);
      ended(UNKNOWN_STATUS);
    }
  }

  /** Stops watching. */
  close(): void {
    watching.delete(this);
    Deno.removeSignalListener("SIGCHLD", this.#sweep);
  }
}
