/**
 * The table of live connections: from accept to the end.
 *
 * @module
 */

/** The proxy at the other end of a connection, which spoke for a client. */
export interface Via {
  /** Its address, as text: what the kernel knows the connection by. */
  readonly proxy: string;
  /** How many bytes of the connection were its own, and not the client's. */
  readonly headerBytes: number;
}

/** A connection as the server knows it. */
export interface Live {
  /** Counts the connections of this server from 1. */
  readonly id: number;
  /** The peer's address, as text. */
  readonly peer: string;
  /** The proxy that the client came by; undefined where it came by none. */
  readonly via?: Via | undefined;
  /** When it was accepted, on the clock of `performance.now()`. */
  readonly acceptedAt: number;
  /** The process that serves it; 0 until one took it. */
  pid: number;
  /** When that process took it, on the same clock; 0 until then. */
  takenAt: number;
}

/** The connections that have been accepted and have not ended, oldest first. */
export class LiveTable implements Iterable<Live> {
  readonly #live = new Map<number, Live>();
  #last = 0;

  /** How many there are. */
  get size(): number {
    return this.#live.size;
  }

  /** The entries themselves. */
  [Symbol.iterator](): Iterator<Live> {
    return this.#live.values();
  }

  /**
   * Adds a connection that was just accepted.
   *
   * @param peer The peer's address.
   * @param via The proxy that it came by, if it came by one.
   * @returns Its entry, with a new id.
   */
  add(peer: string, via?: Via): Live {
    const live: Live = {
      id: ++this.#last,
      peer,
      via,
      acceptedAt: performance.now(),
      pid: 0,
      takenAt: 0,
    };
    this.#live.set(live.id, live);
    return live;
  }

  /**
   * Finds a connection.
   *
   * @param id Which.
   * @returns Its entry; undefined when there is none.
   */
  get(id: number): Live | undefined {
    return this.#live.get(id);
  }

  /**
   * A process took the connection.
   *
   * @param id Which connection.
   * @param pid Which process.
   * @returns Its entry; undefined when there is none.
   */
  took(id: number, pid: number): Live | undefined {
    const live = this.#live.get(id);
    if (live) Object.assign(live, { pid, takenAt: performance.now() });
    return live;
  }

  /**
   * Removes a connection that has ended.
   *
   * @param id Which connection.
   * @returns What its entry was; undefined when there was none.
   */
  remove(id: number): Live | undefined {
    const live = this.#live.get(id);
    this.#live.delete(id);
    return live;
  }
}
