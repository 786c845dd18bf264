/**
 * One reader of a server's events: the lines that wait for it, in bounded memory.
 *
 * A reader that is slow makes nothing wait and nothing grow: what does not fit is counted, and it is told how much
 * that was. One that shows connections to a person asks for a part of them: each is told from its beginning to its
 * end, or not at all, and what is not told costs next to nothing.
 *
 * @module
 */
import type { Session } from "./session.ts";

/** The most characters that may wait for one reader, besides those being sent. */
const QUEUE = 256 * 1024;
/** How long lines are gathered before they are sent, in milliseconds: one message costs as much as a hundred lines. */
const GATHER = 20;
/** The same for a reader that wants a part of the connections: it shows them to a person. */
const GATHER_FOR_EYES = 100;

/** Lines that wait for one reader. */
export class Follower {
  readonly #session: Session;
  readonly #skippedLine: (count: number) => string;
  readonly #gather: number;
  /** How many connections a second it is told of; as many at once may come after a pause. */
  readonly #perSecond: number;
  /** How many it may be told of now, and since when, on the clock of `performance.now()`. */
  #room: number;
  #since = 0;
  /** Connections that it is not told of, and the processes that served them. */
  readonly #leftOut = new Set<number>();
  readonly #leftProcesses = new Set<number>();
  #lines: string[] = [];
  #length = 0;
  #skipped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `perSecond`: how many connections a second it is told of; undefined for all. `skippedLine`: says how many lines
   * were left out.
   */
  constructor(
    session: Session,
    perSecond: number | undefined,
    skippedLine: (count: number) => string,
  ) {
    this.#session = session;
    this.#skippedLine = skippedLine;
    this.#gather = perSecond === undefined ? GATHER : GATHER_FOR_EYES;
    this.#perSecond = this.#room = perSecond ?? Infinity;
  }

  /** Whether it is to get the events of a connection that came at this moment. */
  meets(id: number, now: number): boolean {
    if (this.#hasRoom(now)) return this.hears(id);
    this.#leftOut.add(id);
    return this.#skip(1);
  }

  /** Whether it is to be told of a connection that was turned away at this moment. */
  meetsRefused(now: number): boolean {
    return this.#hasRoom(now) ? this.hears(0) : this.#skip(1);
  }

  /** Whether it is to get events of a connection; if not, it counts them. */
  hears(id: number, events = 1): boolean {
    const isFull = this.#skipped > 0 && this.#perSecond === Infinity;
    return isFull || this.#leftOut.has(id) ? this.#skip(events) : true;
  }

  /** A process has a connection. */
  took(id: number, pid: number): void {
    if (this.#leftOut.has(id)) this.#leftProcesses.add(pid);
    else this.#leftProcesses.delete(pid);
  }

  /** Nothing more happens to a connection. */
  forget(id: number): void {
    this.#leftOut.delete(id);
  }

  /** Whether it is to be told that a process was reaped. */
  hearsOfProcess(pid: number): boolean {
    return this.#leftProcesses.delete(pid) ? this.#skip(1) : true;
  }

  /** Adds a line, or counts it where there is no room. */
  add(line: string): void {
    const isFull = this.#skipped > 0 && this.#perSecond === Infinity;
    if (isFull || this.#length + line.length > QUEUE) {
      this.#skip(1);
      return;
    }
    this.#lines.push(line);
    this.#length += line.length;
    this.#wake();
  }

  /** Takes all that waits; empty when nothing does. */
  take(): string {
    if (this.#skipped > 0) {
      this.#lines.push(this.#skippedLine(this.#skipped));
    }
    const text = this.#lines.join("");
    this.#lines = [];
    this.#length = this.#skipped = 0;
    return text;
  }

  /** It has gone. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** Takes the room of one connection. */
  #hasRoom(now: number): boolean {
    const most = this.#perSecond;
    if (most === Infinity) return true;
    const later = Math.max(now, this.#since);
    const more = (later - this.#since) * most / 1000;
    this.#room = Math.min(most, this.#room + more);
    this.#since = later;
    if (this.#room < 1) return false;
    this.#room--;
    return true;
  }

  #skip(events: number): false {
    this.#skipped += events;
    this.#wake();
    return false;
  }

  #wake(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#session.resume();
    }, this.#gather);
  }
}
