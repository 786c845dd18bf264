/**
 * Who holds an admission ticket, and until when: until the process is reaped, however it ends. A process
 * that takes turns gives it back with its connection.
 *
 * @module
 */
import type { Ticket } from "./admission.ts";

/** The tickets of admitted connections. */
export class Slots {
  readonly #release: (ticket: Ticket) => void;
  /** By connection, while it is waited for or served. */
  readonly #held = new Map<number, Ticket>();
  /** By process, from the end of its only connection to its own. */
  readonly #leaving = new Map<number, Ticket>();

  /**
   * Makes them.
   *
   * @param release Is given each ticket that is free.
   */
  constructor(release: (ticket: Ticket) => void) {
    this.#release = release;
  }

  /**
   * A connection was admitted.
   *
   * @param id Which.
   * @param ticket Its ticket.
   */
  hold(id: number, ticket: Ticket): void {
    this.#held.set(id, ticket);
  }

  /**
   * A connection has ended, or was refused.
   *
   * @param id Which.
   * @param pid The process that ends with it; 0 when none does.
   */
  ended(id: number, pid: number): void {
    const ticket = this.#held.get(id);
    if (!ticket) return;
    this.#held.delete(id);
    if (pid === 0) this.#release(ticket);
    else this.#leaving.set(pid, ticket);
  }

  /**
   * A process was reaped.
   *
   * @param pid Which.
   */
  reaped(pid: number): void {
    const ticket = this.#leaving.get(pid);
    if (!ticket) return;
    this.#leaving.delete(pid);
    this.#release(ticket);
  }
}
