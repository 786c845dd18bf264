/**
 * Finding processes that should have said something, or ended, long ago: stopped by somebody, spinning, or hung
 * on a lock that belongs to a thread which a forked child does not have.
 *
 * @module
 */
import type { ProcessState } from "./process_entry.ts";

/** How often they are looked at, in milliseconds: a connection costs nothing for it. */
const BEAT = 1_000;

/**
 * Counts for how many looks in a row each of many things has been doing the same. Looks are counted, and not
 * time, in which this process may itself have been stopped.
 */
export class Standstill<Key> {
  #last = new Map<Key, { doing: unknown; looks: number }>();

  /**
   * Looks once.
   *
   * @returns Since how many looks each has been doing that; 0 for one that was not seen so before.
   */
  look(things: Iterable<readonly [Key, unknown]>): ReadonlyMap<Key, number> {
    const last = this.#last, looks = new Map<Key, number>();
    this.#last = new Map();
    for (const [key, doing] of things) {
      const before = last.get(key);
      const count = before && before.doing === doing ? before.looks + 1 : 0;
      this.#last.set(key, { doing, looks: count });
      looks.set(key, count);
    }
    return looks;
  }
}

/**
 * Looks once a second, until it is closed. It keeps no process alive.
 *
 * @returns Closes it.
 */
export function everySecond(look: () => void): () => void {
  const timer = setInterval(look, BEAT);
  Deno.unrefTimer(timer);
  return () => clearInterval(timer);
}

/** How many seconds a process may be in a state that should pass; in any other it may be for ever. */
export const MOST_SECONDS = {
  /** `ready`: a runtime may start slowly. */
  starting: 60,
  /** `took`: that is the first thing that a process does. */
  handed: 5,
  /** Nothing: it has only to end. */
  finished: 5,
} as const satisfies Partial<Record<ProcessState, number>>;

/** A state that should pass. */
export type PassingState = keyof typeof MOST_SECONDS;

/**
 * Whether a state should pass.
 *
 * @returns Whether it should.
 */
export function isPassing(state: ProcessState): state is PassingState {
  return state in MOST_SECONDS;
}

/**
 * Says of a process that it is stuck.
 *
 * @param pid The process; 0 where nobody knows yet which one it is.
 */
export function stuckIn(pid: number, state: PassingState): string {
  const seconds = MOST_SECONDS[state];
  const what = pid > 0 ? `Process ${pid}` : "A process";
  return state === "finished"
    ? `${what} had not ended ${seconds} s after its connection: it is ended`
    : `${what} has said nothing for ${seconds} s: it is ended`;
}
