/**
 * Connections that no process has been handed yet.
 *
 * @module
 */
import { type Handoff, MOST_LOST } from "./model.ts";

/** How long a connection waits for a process when none can be had, in milliseconds. */
const PATIENCE = 10_000;

/** A queue, oldest first. Whom it refuses, it closes and tells. */
export class WaitingLine {
  /** `since` is on the clock of `performance.now()`: nobody sets that one. */
  readonly #line: { handoff: Handoff; since: number }[] = [];
  readonly #refused: (id: number, why: string) => void;

  /**
   * Makes one.
   *
   * @param refused Is told of each connection that was refused, and why.
   */
  constructor(refused: (id: number, why: string) => void) {
    this.#refused = refused;
  }

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
    this.#line.push({ handoff, since: performance.now() });
  }

  /**
   * A connection that could not be handed over: it is next.
   *
   * @param handoff The connection.
   */
  putBack(handoff: Handoff): void {
    this.#line.unshift({ handoff, since: performance.now() });
  }

  /**
   * A connection whose process went away before it took it: it is next, unless that happened too often.
   *
   * @param handoff The connection.
   */
  lost(handoff: Handoff): void {
    if (++handoff.lost <= MOST_LOST) return this.putBack(handoff);
    this.#refuse(handoff, "processes end before they take it");
  }

  /** The next connection, which stays in the line; undefined when nobody waits. */
  get next(): Handoff | undefined {
    return this.#line[0]?.handoff;
  }

  /** Takes the next connection out of the line; undefined when nobody waits. */
  shift(): Handoff | undefined {
    return this.#line.shift()?.handoff;
  }

  /**
   * Refuses one connection.
   *
   * @param id Which; one that is not in the line is ignored.
   * @param why For the log.
   */
  withdraw(id: number, why: string): void {
    const at = this.#line.findIndex(({ handoff }) => handoff.id === id);
    if (at >= 0) this.#refuse(this.#line.splice(at, 1)[0]!.handoff, why);
  }

  /**
   * Refuses those that have waited too long.
   *
   * @param why For the log.
   */
  refuseOverdue(why: string): void {
    const due = performance.now() - PATIENCE;
    const late = this.#line.findIndex(({ since }) => since > due);
    const entries = this.#line.splice(0, late < 0 ? this.#line.length : late);
    for (const { handoff } of entries) this.#refuse(handoff, why);
  }

  /**
   * Refuses everybody.
   *
   * @param why For the log.
   */
  refuseAll(why: string): void {
    for (const { handoff } of this.#line.splice(0)) this.#refuse(handoff, why);
  }

  #refuse(handoff: Handoff, why: string): void {
    handoff.fd.close();
    this.#refused(handoff.id, why);
  }
}
