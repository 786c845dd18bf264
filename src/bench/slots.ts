/**
 * The connections of a load process, waited for together.
 *
 * @module
 */
import { PollSet } from "../posix/io.ts";
import { failureKind } from "./load_failure.ts";
import { Slot, type SlotWork } from "./slot.ts";

/** What happens to them. */
export interface SlotEvents {
  /** A request is done. */
  done(slot: Slot): void;
  /** A connection came to nothing, and was dropped. */
  failed(slot: Slot, kind: string): void;
}

/** Places for connections. */
export class Slots {
  /** Each of them. */
  readonly all: readonly Slot[];
  readonly #poll: PollSet;
  readonly #events: SlotEvents;
  /** What the system was told to wait for, place by place. */
  readonly #descriptors: Int32Array;
  readonly #wanted: Int16Array;
  readonly #places = new Map<Slot, number>();

  /**
   * Makes them, none connected.
   *
   * @param count How many.
   * @param work What they have in common.
   * @param events What happens to them.
   */
  constructor(count: number, work: SlotWork, events: SlotEvents) {
    this.all = Array.from({ length: count }, () => new Slot(work));
    this.all.forEach((slot, i) => this.#places.set(slot, i));
    this.#poll = new PollSet(this.all.map(() => ({ fd: -1, events: 0 })));
    this.#descriptors = new Int32Array(count).fill(-1);
    this.#wanted = new Int16Array(count);
    this.#events = events;
  }

  /**
   * Does something with a connection that may go wrong, and waits for what it wants next.
   *
   * @param slot Which.
   * @param action Begins or goes on; returns whether it is done.
   */
  attempt(slot: Slot, action: (slot: Slot) => boolean | void): void {
    let isDone: boolean | void = false;
    let failure: string | null = null;
    try {
      isDone = action(slot);
    } catch (error) {
      failure = failureKind(error);
      slot.close();
    }
    this.#update(this.#places.get(slot)!, slot);
    if (failure !== null) this.#events.failed(slot, failure);
    else if (isDone) this.#events.done(slot);
  }

  /**
   * Waits once, and goes on with every connection that is ready.
   *
   * @param timeout In milliseconds, with a fraction.
   */
  wait(timeout: number): void {
    let ready = this.#poll.waitFinely(timeout);
    for (let i = 0; ready > 0 && i < this.all.length; i++) {
      const events = this.#poll.ready(i);
      if (events === 0) continue;
      ready--;
      this.attempt(this.all[i]!, (slot) => slot.advance(events));
    }
  }

  /**
   * Gives up on connections that have waited for too long.
   *
   * @param before Those whose request began earlier than this.
   */
  expire(before: number): void {
    for (const slot of this.all) {
      if (!slot.isBusy || slot.began >= before) continue;
      slot.close();
      this.#update(this.#places.get(slot)!, slot);
      this.#events.failed(slot, "timed out");
    }
  }

  /** Drops every connection. */
  close(): void {
    for (const slot of this.all) slot.close();
  }

  #update(place: number, slot: Slot): void {
    const fd = slot.isBusy ? slot.fd : -1; // idle ones are not waited for
    const { wants } = slot;
    if (fd === this.#descriptors[place] && wants === this.#wanted[place]) {
      return;
    }
    this.#descriptors[place] = fd;
    this.#wanted[place] = wants;
    this.#poll.set(place, { fd, events: wants });
  }
}
