/**
 * Load that never waits for an answer: `stream`. Bytes go out as fast as the connection takes them, and
 * come back at the same time, each compared with what was sent at its place.
 *
 * @module
 */
import { POLLIN, POLLOUT } from "../posix/abi.ts";
import { Fd } from "../posix/fd.ts";
import { PollSet, receiveNow, sameStart, sendNow } from "../posix/io.ts";
import { endWriting } from "../posix/net/sockets.ts";
import type { Inherited, Share } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import { failureKind, LoadFailure } from "./slots.ts";

/** Bytes after which the pattern comes again: a prime, so that no lost or doubled buffer fits in. */
const PERIOD = 262_147;
/** Bytes of one call. */
const CHUNK = 256 * 1024;

/** The pattern, long enough for a chunk from any place of it. Both ends make the same. */
function makePattern(): Uint8Array<ArrayBuffer> {
  const pattern = new Uint8Array(PERIOD + CHUNK);
  let state = 2463534242; // xorshift32
  for (let i = 0; i < PERIOD; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    pattern[i] = state;
  }
  pattern.copyWithin(PERIOD, 0, CHUNK);
  return pattern;
}

/** One process's ends of the streams. */
export class StreamLoad {
  readonly #share: Share;
  readonly #recorder: Recorder;
  readonly #streams: Stream[];
  readonly #poll: PollSet;

  /**
   * Makes one.
   *
   * @param share What to do; its connections are this process's to close.
   */
  constructor(share: Share, recorder: Recorder) {
    const pattern = makePattern();
    this.#share = share;
    this.#recorder = recorder;
    this.#streams = share.inherited.map((it) => new Stream(it, pattern));
    this.#poll = new PollSet(this.#streams.map(() => ({ fd: -1, events: 0 })));
  }

  /** Sends until the time is over, and reads to the end. */
  run(): void {
    const { warmup, duration, timeout } = this.#share;
    const isOpen = (stream: Stream) => stream.wants !== 0;
    while (this.#streams.some(isOpen)) {
      const isOver = this.#recorder.now >= warmup + duration;
      this.#streams.forEach((stream, i) => {
        if (isOver) stream.endSending();
        this.#poll.set(i, { fd: stream.fd, events: stream.wants });
      });
      this.#poll.waitFinely(this.#recorder.untilTick);
      this.#streams.forEach((stream, i) => {
        this.#advance(stream, this.#poll.ready(i));
      });
      if (this.#recorder.tick()) this.#expire(this.#recorder.now - timeout);
    }
  }

  #advance(stream: Stream, events: number): void {
    if (events === 0 || stream.wants === 0) return;
    try {
      if (events & ~POLLIN) stream.send();
      if (events & ~POLLOUT) this.#recorder.received(stream.receive());
      stream.movedAt = this.#recorder.now;
    } catch (error) {
      this.#drop(stream, failureKind(error));
    }
  }

  #expire(before: number): void {
    for (const stream of this.#streams) {
      if (stream.wants !== 0 && stream.movedAt < before) {
        this.#drop(stream, "timed out");
      }
    }
  }

  #drop(stream: Stream, kind: string): void {
    stream.close();
    this.#recorder.failed(kind);
  }
}

const received = new Uint8Array(CHUNK);

/** One connection, or the half of it that is this process's. */
class Stream {
  /** When bytes moved last, in milliseconds since the start. */
  movedAt = 0;
  readonly #socket: Fd;
  readonly #pattern: Uint8Array<ArrayBuffer>;
  #sends: boolean;
  #receives: boolean;
  #sendAt = 0;
  #receiveAt = 0;

  constructor(
    { fd, sends, receives }: Inherited,
    pattern: Uint8Array<ArrayBuffer>,
  ) {
    this.#socket = new Fd(fd);
    this.#pattern = pattern;
    this.#sends = sends;
    this.#receives = receives;
  }

  get fd(): number {
    return this.#socket.isOpen ? this.#socket.number : -1;
  }

  /** What to wait for; 0 when nothing is left to do. */
  get wants(): number {
    return (this.#sends ? POLLOUT : 0) | (this.#receives ? POLLIN : 0);
  }

  send(): void {
    if (!this.#sends) return;
    const chunk = this.#pattern.subarray(this.#sendAt, this.#sendAt + CHUNK);
    const count = Math.max(0, sendNow(this.fd, chunk));
    this.#sendAt = (this.#sendAt + count) % PERIOD;
  }

  endSending(): void {
    if (!this.#sends) return;
    this.#sends = false;
    endWriting(this.fd);
    if (!this.#receives) this.#socket.close(); // the process that receives has it as well
  }

  /** How many bytes came. */
  receive(): number {
    if (!this.#receives) return 0;
    const count = receiveNow(this.fd, received);
    if (count < 0) return 0;
    if (count === 0) {
      if (this.#sends) throw new LoadFailure("ended early");
      this.close();
      return 0;
    }
    const wanted = this.#pattern.subarray(this.#receiveAt);
    if (!sameStart(wanted, received, count)) {
      throw new LoadFailure("wrong bytes");
    }
    this.#receiveAt = (this.#receiveAt + count) % PERIOD;
    return count;
  }

  close(): void {
    this.#sends = this.#receives = false;
    this.#socket.close();
  }
}
