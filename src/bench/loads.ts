/**
 * Loads: many connections with requests (`connect` and `ping`) or with none (`hold`), and streams of bytes.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { Fd } from "../posix/fd.ts";
import { PollSet, receiveNow, sameStart, sendNow } from "../posix/io.ts";
import { endWriting } from "../posix/net/sockets.ts";
import type { Inherited, Share } from "./plan.ts";
import type { Recorder } from "./recorder.ts";
import {
  failureKind,
  LoadFailure,
  type Slot,
  Slots,
  type SlotWork,
} from "./slots.ts";

const { POLLIN, POLLOUT } = abi;

/** Times in milliseconds since the start of the load. */
interface Schedule {
  /** Takes the next request. Returns when it was due; null when none is. */
  take(now: number): number | null;
  /** When the next request will be due; Infinity when that depends on answers, or there is none. */
  readonly next: number;
}

/**
 * A closed loop: a request is due as soon as a connection is free to send it. Without an answer there is no next
 * request.
 */
export function closedLoop(end: number): Schedule {
  return { take: (now) => now < end ? now : null, next: Infinity };
}

/** How an open loop goes. */
interface LoadRate {
  readonly rate: number;
  /** When the first is due. */
  readonly offset: number;
  /** When it is over: no request is due then or later. */
  readonly end: number;
}

/**
 * An open loop: requests are due at a steady rate, as they come from people who do not know of each other. One that
 * nobody was free to send is sent late, and its latency counts from when it was due: otherwise a server that stops for
 * a second would show one slow answer instead of a second's worth of them ("coordinated omission").
 */
export function openLoop({ rate, offset, end }: LoadRate): Schedule {
  let count = 0;
  const due = () => offset + 1000 * count / rate; // not a sum: no rounding piles up
  return {
    take(now) {
      const next = due();
      if (next > now || next >= end) return null;
      count++;
      return next;
    },
    get next() {
      const next = due();
      return next < end ? next : Infinity;
    },
  };
}

/** Milliseconds that a place rests after a failure, so that a dead server is not hammered. */
const REST = 10;

export class ExchangeLoad {
  readonly #share: Share;
  readonly #recorder: Recorder;
  readonly #slots: Slots;
  readonly #schedule: Schedule;
  readonly #end: number;
  /** Places without a request. */
  readonly #free: Slot[];
  /** Places that rest, in the order in which they may go on. */
  readonly #resting: { slot: Slot; until: number }[] = [];

  constructor(share: Share, work: SlotWork, recorder: Recorder) {
    const { connections, rate, offset, warmup, duration } = share;
    this.#share = share;
    this.#recorder = recorder;
    this.#end = warmup + duration;
    this.#schedule = rate === null
      ? closedLoop(this.#end)
      : openLoop({ rate, offset, end: this.#end });
    this.#slots = new Slots(connections, work, {
      done: (slot) => this.#done(slot),
      failed: (slot, kind) => this.#failed(slot, kind),
    });
    this.#free = [...this.#slots.all];
  }

  /** Makes the load, and waits for every answer, to the end. */
  run(): void {
    const { timeout } = this.#share;
    while (this.#beginDue()) {
      this.#slots.wait(this.#patience());
      if (!this.#recorder.tick()) continue;
      this.#slots.expire(this.#recorder.now - timeout);
      this.#dropLate(this.#recorder.now);
    }
    this.#slots.close();
  }

  /** Starts the due requests, as far as connections are free; false when all is over. */
  #beginDue(): boolean {
    const { now } = this.#recorder;
    while (this.#resting[0] !== undefined && this.#resting[0].until <= now) {
      this.#free.push(this.#resting.shift()!.slot);
    }
    while (this.#free.length > 0) {
      const due = this.#schedule.take(now);
      if (due === null) break;
      this.#begin(this.#free.pop()!, due, now);
    }
    const isIdle = this.#free.length + this.#resting.length ===
      this.#slots.all.length;
    return !isIdle || now < this.#end || this.#schedule.next < this.#end;
  }

  #begin(slot: Slot, due: number, now: number): void {
    slot.due = due;
    slot.began = now;
    this.#slots.attempt(slot, (slot) => slot.begin());
  }

  /** How long nothing but an answer needs to be done, in milliseconds. */
  #patience(): number {
    const { now, untilTick } = this.#recorder;
    const due = this.#free.length > 0 ? this.#schedule.next : Infinity;
    const rested = this.#resting[0]?.until ?? Infinity;
    return Math.max(0, Math.min(untilTick, due - now, rested - now));
  }

  /** A server that cannot keep up at all: what could not even be sent in time is counted, not waited for. */
  #dropLate(now: number): void {
    if (now < this.#end + this.#share.timeout) return;
    while (this.#schedule.take(now) !== null) this.#recorder.failed("not sent");
  }

  #done(slot: Slot): void {
    const latency = this.#recorder.since(slot.answeredAt) - slot.due;
    this.#recorder.answered(slot.due, latency, this.#share.size);
    this.#free.push(slot);
  }

  #failed(slot: Slot, kind: string): void {
    this.#recorder.failed(kind);
    this.#resting.push({ slot, until: this.#recorder.now + REST });
  }
}

/** Requests under way at once: no more than a small backlog takes. */
const AT_ONCE = 16;

/** One process's open connections. */
export class HoldLoad {
  readonly #share: Share;
  readonly #recorder: Recorder;
  readonly #slots: Slots;
  /** Connections that stand. */
  #held: Slot[] = [];
  #underWay = 0;
  #isEnding = false;

  constructor(share: Share, work: SlotWork, recorder: Recorder) {
    this.#share = share;
    this.#recorder = recorder;
    this.#slots = new Slots(share.connections, work, {
      done: (slot) => this.#done(slot),
      failed: (_, kind) => {
        this.#underWay--;
        recorder.failed(kind);
      },
    });
  }

  /** Opens all connections with a round trip each, serves each once more, and ends them. */
  run(mayGoOn: () => void): void {
    this.#each(this.#slots.all, (slot) => slot.begin());
    this.#recorder.tell("held");
    mayGoOn();
    this.#each(this.#takeHeld(), (slot) => slot.begin());
    this.#recorder.tell("held");
    mayGoOn();
    this.#isEnding = true;
    this.#each(this.#takeHeld(), (slot) => slot.end());
  }

  #takeHeld(): readonly Slot[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }

  /** Does something with each connection, some at a time, and waits for all. */
  #each(slots: readonly Slot[], action: (slot: Slot) => void): void {
    for (let next = 0; next < slots.length || this.#underWay > 0;) {
      while (next < slots.length && this.#underWay < AT_ONCE) {
        const slot = slots[next++]!;
        this.#underWay++;
        slot.due = slot.began = this.#recorder.now;
        this.#slots.attempt(slot, action);
      }
      this.#slots.wait(this.#recorder.untilTick);
      if (this.#recorder.tick()) {
        this.#slots.expire(this.#recorder.now - this.#share.timeout);
      }
    }
  }

  #done(slot: Slot): void {
    this.#underWay--;
    if (this.#isEnding) return;
    const latency = this.#recorder.since(slot.answeredAt) - slot.due;
    this.#recorder.answered(slot.due, latency, this.#share.size);
    this.#held.push(slot);
  }
}

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

  /** `share`: what to do; its connections are this process's to close. */
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

  /** The events to wait for; 0 when nothing is left to do. */
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
