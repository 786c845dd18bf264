/**
 * Connections that wait for a process, and the pause while no process can be started.
 *
 * @module
 */
import type { Handoff, ModelEvents } from "./model.ts";
import { Backoff } from "./supervision.ts";

/** How long a connection waits for a process when none can be had, in milliseconds. */
const PATIENCE = 10_000;
/** After so many processes that ended before they took a connection, it is refused. */
const MOST_LOST = 10;

type QueueEvents = Pick<ModelEvents, "refused" | "returned" | "trouble">;

/** A queue, oldest first. It closes and reports the connections that it refuses. */
export class Queue {
  /** `since` is a time of `performance.now()`, a clock that nobody can set. */
  readonly #line: { handoff: Handoff; since: number }[] = [];
  readonly #events: QueueEvents;
  readonly #backoff: Backoff;
  readonly #cannot: string;
  /** The reason for refusing all connections; null if they are accepted. */
  #closed: string | null = null;

  constructor(
    events: QueueEvents,
    dispatch: () => void,
    cannot: string,
  ) {
    this.#events = events;
    this.#backoff = new Backoff(dispatch);
    this.#cannot = cannot;
  }

  /** Whether nothing is to be tried at this moment. */
  get isPausing(): boolean {
    return this.#backoff.isPausing;
  }

  /** The system refuses: nothing is tried for a while, and connections that have waited too long are refused. */
  pause(why: string): void {
    if (this.#closed !== null) return;
    if (this.#backoff.pause()) this.#events.trouble(why);
    this.#refuseOverdue();
  }

  /** It worked: the next pause is a short one. */
  worked(): void {
    this.#backoff.reset();
  }

  /** Ends the pause under way: what it was for may be over, or nothing is to be tried any more. */
  goOn(): void {
    this.#backoff.stop();
  }

  get size(): number {
    return this.#line.length;
  }

  /** A connection that was just accepted. `handoff`: the connection, from here on the line's. */
  add(handoff: Handoff): void {
    if (this.#closed !== null) return this.#refuse(handoff, this.#closed);
    this.#line.push({ handoff, since: performance.now() });
  }

  /** A connection that could not be handed over: it is next. */
  putBack(handoff: Handoff): void {
    if (this.#closed !== null) return this.#refuse(handoff, this.#closed);
    this.#line.unshift({ handoff, since: performance.now() });
  }

  /** A connection whose process ended before taking it: it is next, unless that happened too often. */
  lost(handoff: Handoff): void {
    this.#events.returned(handoff.id);
    if (++handoff.lost <= MOST_LOST) return this.putBack(handoff);
    this.#refuse(handoff, "processes kept exiting before accepting it");
  }

  /** The next connection, which stays in the queue; undefined if none waits. */
  get next(): Handoff | undefined {
    return this.#line[0]?.handoff;
  }

  /** Takes the next connection from the queue; undefined if none waits. */
  shift(): Handoff | undefined {
    return this.#line.shift()?.handoff;
  }

  /** Refuses one connection. */
  withdraw(id: number, why: string): void {
    const at = this.#line.findIndex(({ handoff }) => handoff.id === id);
    if (at >= 0) this.#refuse(this.#line.splice(at, 1)[0]!.handoff, why);
  }

  /** Refuses all waiting connections, and from then on every new or returned one. */
  close(why: string): void {
    this.#closed = why;
    this.goOn();
    for (const { handoff } of this.#line.splice(0)) this.#refuse(handoff, why);
  }

  #refuseOverdue(): void {
    const due = performance.now() - PATIENCE;
    const late = this.#line.findIndex(({ since }) => since > due);
    const entries = this.#line.splice(0, late < 0 ? this.#line.length : late);
    for (const { handoff } of entries) this.#refuse(handoff, this.#cannot);
  }

  #refuse(handoff: Handoff, why: string): void {
    handoff.fd.close();
    this.#events.refused(handoff.id, why);
  }
}
