/**
 * Waiting for many descriptors without blocking the event loop.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { check } from "./errno.ts";
import { Fd, setInherit, setNonblocking } from "./fd.ts";
import { read, write } from "./io.ts";
import { cLibrary } from "./libc.ts";

const { POLLERR, POLLHUP, POLLIN, POLLNVAL } = abi;

const libc = cLibrary("pipe", "poll", "pollAsync");

/** Called with what is ready (`revents` of `poll(2)`). */
type Ready = (events: number) => void;

/**
 * Rounds without a turn of the event loop, which signals, timers and the log wait for, and how long each
 * may last in milliseconds. Under load the next thing happens sooner, and a thread is spared, which costs
 * more than all that a connection needs here.
 */
const IN_PLACE = { rounds: 20, wait: 1 };

/** How long a descriptor is left alone whose callback threw, in milliseconds. */
const PAUSE = 100;

interface Watched {
  readonly events: number;
  readonly ready: Ready;
}

/**
 * Calls back when descriptors are ready: one asynchronous `poll(2)` at a time over all of them. A
 * change while it waits wakes it through a pipe. The descriptors stay their owners': unwatch one
 * before closing it. A callback may come once without need when a number was closed and used again
 * in the same round, so what it calls must not block.
 *
 * A callback that throws ends nobody else's watch: the error is told, and its own descriptor is left alone
 * for a moment, since it would be ready again at once.
 */
export class Watcher {
  readonly #watched = new Map<number, Watched>();
  readonly #wakeReader: Fd;
  readonly #wakeWriter: Fd;
  readonly #drained = new Uint8Array(64);
  readonly #failed: (error: unknown) => void;
  /** Descriptors that are left alone, and until when. */
  readonly #paused = new Map<number, ReturnType<typeof setTimeout>>();
  #table = new Int32Array(0);
  #changed = true;
  #waiting = false;
  #stopped = false;

  /** Throws `PosixError` when no pipe is to be had (EMFILE). */
  constructor(failed: (error: unknown) => void = rethrow) {
    this.#failed = failed;
    const ends = new Int32Array(2);
    check(libc.pipe(new Uint8Array(ends.buffer)), "pipe");
    this.#wakeReader = new Fd(ends[0]!);
    this.#wakeWriter = new Fd(ends[1]!);
    for (const end of ends) {
      setInherit(end, false);
      setNonblocking(end, true);
    }
    this.watch(this.#wakeReader.number, POLLIN, () => {
      while (
        read(this.#wakeReader.number, this.#drained) === this.#drained.length
      );
    });
  }

  /**
   * Starts to watch a descriptor, or changes what to wait for. `fd`: the descriptor, borrowed until
   * {@linkcode unwatch}. `ready`: called each time it is ready, until it is unwatched.
   */
  watch(fd: number, events: number, ready: Ready): void {
    this.#watched.set(fd, { events, ready });
    this.#resume(fd);
    this.#change();
  }

  /** Stops watching a descriptor; its callback is not called again. */
  unwatch(fd: number): void {
    if (!this.#watched.delete(fd)) return;
    this.#resume(fd);
    this.#change();
  }

  /** Waits and calls back until {@linkcode stop}. */
  async run(): Promise<void> {
    let inPlace = 0;
    while (!this.#stopped) {
      if (this.#changed) this.#build();
      const table = this.#table;
      let ready = inPlace > 0 ? this.#look(table) : 0;
      if (ready > 0) inPlace--;
      else {
        ready = await this.#wait(table);
        inPlace = IN_PLACE.rounds;
      }
      if (ready > 0) this.#dispatch(table);
    }
    for (const timer of this.#paused.values()) clearTimeout(timer);
    this.#wakeReader.close();
    this.#wakeWriter.close();
  }

  /** Ends {@linkcode run} after the callbacks under way. */
  stop(): void {
    this.#stopped = true;
    if (this.#waiting) this.#wake();
  }

  /** Waits a moment on this thread. */
  #look(table: Int32Array<ArrayBuffer>): number {
    const bytes = new Uint8Array(table.buffer);
    return libc.poll(bytes, table.length / 2, IN_PLACE.wait);
  }

  async #wait(table: Int32Array<ArrayBuffer>): Promise<number> {
    this.#waiting = true;
    const bytes = new Uint8Array(table.buffer);
    const ready = await libc.pollAsync(bytes, table.length / 2, -1);
    this.#waiting = false;
    return ready;
  }

  #dispatch(table: Int32Array<ArrayBuffer>): void {
    for (let i = 0; i < table.length && !this.#stopped; i += 2) {
      const events = table[i + 1]! >> 16;
      if (events === 0) continue;
      const fd = table[i]!;
      const watched = this.#watched.get(fd);
      try {
        if (!(events & POLLNVAL)) {
          const isOver = events & (POLLERR | POLLHUP);
          watched?.ready(isOver ? events | POLLIN : events);
        } else if (!this.#changed) { // else unwatched and closed: the next round does not have it
          throw new TypeError(`Cannot watch descriptor ${fd}: it is closed`);
        }
      } catch (error) {
        this.#failed(error);
        if (this.#watched.has(fd)) this.#pause(fd);
      }
    }
  }

  #pause(fd: number): void {
    const timer = setTimeout(() => {
      this.#paused.delete(fd);
      this.#change();
    }, PAUSE);
    this.#paused.set(fd, timer);
    this.#change();
  }

  #resume(fd: number): void {
    if (this.#paused.has(fd)) clearTimeout(this.#paused.get(fd));
    this.#paused.delete(fd);
  }

  /** Lays out an array of `struct pollfd` {int fd; short events; short revents}. */
  #build(): void {
    this.#table = new Int32Array(2 * this.#watched.size);
    let i = 0;
    for (const [fd, { events }] of this.#watched) {
      this.#table[i++] = this.#paused.has(fd) ? -1 : fd;
      this.#table[i++] = events;
    }
    this.#changed = false;
  }

  #change(): void {
    this.#changed = true;
    if (this.#waiting) this.#wake();
  }

  #wake(): void {
    write(this.#wakeWriter.number, new Uint8Array(1));
  }
}

function rethrow(error: unknown): never {
  throw error;
}
