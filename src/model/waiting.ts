/**
 * Connections that no process has been handed yet.
 *
 * @module
 */
import type { Handoff } from "./model.ts";

/** How long a connection waits for a process when none can be had, in milliseconds. */
const PATIENCE = 10_000;

/** A queue, oldest first. */
export class WaitingLine {
  readonly #line: { handoff: Handoff; since: number }[] = [];

  /** How many wait. */
  get size(): number {
    return this.#line.length;
  }

  /**
   * A connection that was just accepted.
   *
   * @param handoff The connection, from here on the line's.
   */
  add(handoff: Handoff): void {
    this.#line.push({ handoff, since: Date.now() });
  }

  /**
   * A connection whose process went away before it took it: it is next.
   *
   * @param handoff The connection.
   */
  putBack(handoff: Handoff): void {
    this.#line.unshift({ handoff, since: Date.now() });
  }

  /** The next connection, which stays in the line; undefined when nobody waits. */
  get next(): Handoff | undefined {
    return this.#line[0]?.handoff;
  }

  /** Takes the next connection out of the line; undefined when nobody waits. */
  shift(): Handoff | undefined {
    return this.#line.shift()?.handoff;
  }

  /** Takes out those that have waited too long. */
  overdue(): Handoff[] {
    const due = Date.now() - PATIENCE;
    const late = this.#line.findIndex(({ since }) => since > due);
    const entries = this.#line.splice(0, late < 0 ? this.#line.length : late);
    return entries.map(({ handoff }) => handoff);
  }

  /** Takes everybody out. */
  clear(): Handoff[] {
    return this.#line.splice(0).map(({ handoff }) => handoff);
  }
}
