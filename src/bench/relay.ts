/**
 * A link that is slower than this machine's own (role `@bench relay`): it listens, connects to a server
 * for every connection, and passes bytes on through a delay line in each direction.
 *
 * A delay line: every byte comes out a fixed time after it went in, as on a long cable, and not one
 * after the other has arrived.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { PollSet, receiveNow, sendNow } from "../posix/io.ts";
import { type Address, encodeAddress } from "../posix/net/address.ts";
import { dial } from "../posix/net/dialing.ts";
import { findListener } from "../posix/net/runtime_sockets.ts";
import { accept, endWriting, setNoDelay } from "../posix/net/sockets.ts";
import { setProcessName } from "../posix/process.ts";

const { POLLIN, POLLOUT } = abi;

/** The properties of a link, in one direction. */
export interface Link {
  /** Milliseconds that a byte travels. */
  readonly delay: number;
  /** Bytes a second that the link takes; null for any number. */
  readonly bandwidth: number | null;
}

/** Bytes on the way at most, where bandwidth does not say how many there can be. */
const MOST = 16 * 2 ** 20;
/** Bytes that may wait in front of a link whose bandwidth is known. */
const QUEUE = 64 * 1024;
/** The cost of a piece besides its bytes, so that many small pieces are not free. */
const OVERHEAD = 256;

interface Piece {
  /** When it comes out; from then on until it is taken, it waits for the receiver. */
  readonly due: number;
  /** The remaining bytes; null for the end of the stream. */
  bytes: Uint8Array<ArrayBuffer> | null;
}

/** Bytes on their way in one direction. Times are the caller's, in milliseconds. */
export class DelayLine {
  readonly #link: Link;
  readonly #room: number;
  #pieces: Piece[] = [];
  /** Pieces that came out and are still in the array: taking each off its front would move all others. */
  #taken = 0;
  #held = 0;
  #isEnded = false;
  /** When the link has sent all that it was given. */
  #linkFree = 0;

  constructor(link: Link) {
    const { delay, bandwidth } = link;
    this.#link = link;
    this.#room = bandwidth === null ? MOST : QUEUE + bandwidth * delay / 1000;
  }

  /** Whether it takes more: not when it is full, so that the sender feels a receiver that is slow. */
  get takes(): boolean {
    return !this.#isEnded && this.#held < this.#room;
  }

  /** Whether all came out, and its end. */
  get isOver(): boolean {
    return this.#isEnded && this.#first === undefined;
  }

  /** When the next bytes come out; Infinity when none are on the way. */
  get due(): number {
    return this.#first?.due ?? Infinity;
  }

  /** Puts bytes in. `bytes`: the bytes, which are copied. */
  push(now: number, bytes: Uint8Array): void {
    const { delay, bandwidth } = this.#link;
    const sending = bandwidth === null ? 0 : 1000 * bytes.length / bandwidth;
    this.#linkFree = Math.max(now, this.#linkFree) + sending;
    const due = this.#linkFree + delay;
    this.#pieces.push({ due, bytes: new Uint8Array(bytes) });
    this.#held += bytes.length + OVERHEAD;
  }

  /** Puts the end of the stream in. */
  end(now: number): void {
    const due = Math.max(now, this.#linkFree) + this.#link.delay;
    this.#pieces.push({ due, bytes: null });
    this.#isEnded = true;
  }

  /**
   * Passes on the bytes that are due. `take`: takes bytes and says how many, or -1 for none at present; gets null at
   * the end. Returns whether all that is due was taken.
   */
  drain(
    now: number,
    take: (bytes: Uint8Array<ArrayBuffer> | null) => number,
  ): boolean {
    for (let piece; (piece = this.#first) && piece.due <= now;) {
      const count = take(piece.bytes);
      if (piece.bytes !== null) {
        if (count < 0) return false;
        this.#held -= count;
        piece.bytes = piece.bytes.subarray(count);
        if (piece.bytes.length > 0) continue;
        this.#held -= OVERHEAD;
      }
      this.#dropFirst();
    }
    return true;
  }

  get #first(): Piece | undefined {
    return this.#pieces[this.#taken];
  }

  #dropFirst(): void {
    this.#taken++;
    if (this.#taken < this.#pieces.length / 2) return;
    this.#pieces = this.#pieces.slice(this.#taken);
    this.#taken = 0;
  }
}

/** The work of a relay, which receives it as JSON. */
export interface RelayWork extends Link {
  /** The server: an address, not a name. */
  readonly target: Address;
  /** Whether it says when each piece went into the link and came out. */
  readonly isTraced?: boolean;
}

/** The report of a traced relay about one piece: a line of JSON. */
export interface Passage {
  /** Which connection, counted from 1. */
  readonly connection: number;
  /** From the client, or to it. */
  readonly way: "there" | "back";
  /** Into the link, or out of it. */
  readonly end: "in" | "out";
  /** How many bytes of this way have passed this end by now. */
  readonly bytes: number;
  /** When, in milliseconds. */
  readonly at: number;
}

const STDIN = 0;
const CHUNK = 64 * 1024;
/** With a known bandwidth a piece is as long as the link needs this many milliseconds for. */
const PIECE_TIME = 1;

/**
 * Relays until standard input ends. Says on standard output, as JSON on one line, on which port of
 * 127.0.0.1 it listens.
 */
export function relay(work: RelayWork): void {
  setProcessName("mpserv:relay");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  say({ port });
  new Relay(work, findListener(listener.addr)).run();
}

function say(what: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(what) + "\n"));
}

class Relay {
  readonly #work: RelayWork;
  /** Borrowed. */
  readonly #listener: number;
  readonly #peer: Uint8Array<ArrayBuffer>;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #directions: Direction[] = [];
  #accepted = 0;

  constructor(work: RelayWork, listener: number) {
    const { bandwidth } = work;
    const piece = bandwidth === null ? CHUNK : bandwidth * PIECE_TIME / 1000;
    this.#work = work;
    this.#listener = listener;
    this.#peer = encodeAddress(work.target);
    this.#buffer = new Uint8Array(Math.max(1, Math.min(CHUNK, piece)));
  }

  run(): void {
    for (;;) {
      const directions = this.#directions;
      const set = new PollSet([
        { fd: STDIN, events: POLLIN },
        { fd: this.#listener, events: POLLIN },
        ...directions.flatMap((direction) => direction.wants()),
      ]);
      const due = Math.min(...directions.map(({ due }) => due));
      set.waitFinely(Math.min(60_000, Math.max(0, due - performance.now())));
      if (set.ready(0) !== 0) return;
      directions.forEach((direction, i) => {
        const [source, sink] = [set.ready(2 * i + 2), set.ready(2 * i + 3)];
        this.#advance(direction, source !== 0, sink !== 0);
      });
      this.#directions = this.#directions.filter(({ isOver }) => !isOver);
      if (set.ready(1) !== 0) this.#accept();
    }
  }

  #advance(direction: Direction, reads: boolean, writes: boolean): void {
    try {
      if (reads) direction.read(this.#buffer);
      direction.write(writes);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      direction.drop(); // one end is gone: the other one sees its connection end
    }
  }

  #accept(): void {
    const accepted = accept(this.#listener);
    if (accepted === null) return;
    const client = accepted.fd;
    const server = dial(this.#peer);
    setNoDelay(client.number);
    if ("port" in this.#work.target) setNoDelay(server.number);
    const pair = new Pair(client, server);
    const connection = ++this.#accepted;
    const trace = (way: Passage["way"]) =>
      this.#work.isTraced === true
        ? (end: Passage["end"], bytes: number, at = performance.now()) =>
          say({ connection, way, end, bytes, at })
        : () => {};
    this.#directions.push(
      new Direction(
        pair,
        [client.number, server.number],
        this.#work,
        trace("there"),
      ),
      new Direction(
        pair,
        [server.number, client.number],
        this.#work,
        trace("back"),
      ),
    );
  }
}

/** A connection and its counterpart; closes both when both directions are over. */
class Pair {
  readonly #ends: readonly Fd[];
  #directions = 2;

  constructor(...ends: Fd[]) {
    this.#ends = ends;
  }

  get isOpen(): boolean {
    return this.#ends[0]!.isOpen;
  }

  endDirection(): void {
    if (--this.#directions === 0) this.close();
  }

  close(): void {
    for (const end of this.#ends) end.close();
  }
}

/** One way of a connection. */
class Direction {
  readonly #pair: Pair;
  readonly #source: number;
  readonly #sink: number;
  readonly #line: DelayLine;
  readonly #trace: (end: Passage["end"], bytes: number, at?: number) => void;
  #in = 0;
  #out = 0;
  /** The sink took less than it was given, and says when it takes more. */
  #isBlocked = false;

  constructor(
    pair: Pair,
    [source, sink]: [number, number],
    link: Link,
    trace: (end: Passage["end"], bytes: number, at?: number) => void,
  ) {
    this.#trace = trace;
    this.#pair = pair;
    this.#source = source;
    this.#sink = sink;
    this.#line = new DelayLine(link);
  }

  get isOver(): boolean {
    return this.#line.isOver || !this.#pair.isOpen;
  }

  /** When something is to be done that no descriptor tells. */
  get due(): number {
    return this.#isBlocked ? Infinity : this.#line.due;
  }

  wants(): Parameters<PollSet["set"]>[1][] {
    return [
      { fd: this.#line.takes ? this.#source : -1, events: POLLIN },
      { fd: this.#isBlocked ? this.#sink : -1, events: POLLOUT },
    ];
  }

  read(buffer: Uint8Array<ArrayBuffer>): void {
    if (!this.#pair.isOpen) return; // since it was waited for, the other direction has failed
    const count = receiveNow(this.#source, buffer);
    const now = performance.now();
    if (count === 0) this.#line.end(now);
    else if (count > 0) {
      this.#line.push(now, buffer.subarray(0, count));
      this.#trace("in", this.#in += count, now); // the delay counts from then
    }
  }

  write(isReady: boolean): void {
    if (!this.#pair.isOpen || (this.#isBlocked && !isReady)) return;
    this.#isBlocked = !this.#line.drain(performance.now(), (bytes) => {
      if (bytes === null) {
        endWriting(this.#sink);
        return 0;
      }
      const count = sendNow(this.#sink, bytes);
      if (count > 0) this.#trace("out", this.#out += count);
      return count;
    });
    if (this.#line.isOver) this.#pair.endDirection();
  }

  drop(): void {
    this.#pair.close();
  }
}
