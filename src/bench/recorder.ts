/**
 * Collects the measurements of a load process until it reports them.
 *
 * The wire between the coordinating process and its load processes.
 *
 * 1. A load process gets its share as JSON in an argument, and says `ready` when it can begin.
 * 2. Down, on its standard input: one byte each time that it may go on. The first starts the load; a
 *    `hold` has two more, see 4.
 * 3. Up, on its standard output: frames. A frame is two 32-bit numbers (bytes of JSON, number of
 *    latencies), the JSON, and the latencies as 32-bit floats in microseconds; little-endian, since both
 *    ends are the same machine. Every latency travels: the coordinating process has the histogram, so
 *    that no package is loaded here and nothing is rounded before it is merged.
 * 4. `tick` tells what came since the frame before; `held` that every connection of a `hold` was served
 *    and stays, and again that each was served once more; `end` is the last frame, and then the process exits.
 * 5. A load process whose output nobody reads any more ends at its next frame; one that waits for a
 *    byte ends at the end of its input.
 *
 * @module
 */
import { readProcFile } from "../posix/proc.ts";

/** A report of a load process. */
export interface Frame {
  readonly kind: "ready" | "tick" | "held" | "end";
  /** Milliseconds since the load began. */
  readonly at: number;
  /** Requests that were answered since the frame before, in the time that is measured. */
  readonly done: number;
  /** Bytes that came back since the frame before, in the time that is measured. */
  readonly bytes: number;
  /** How many failures of each kind since the previous frame, also those outside the measured time. */
  readonly failures: Record<string, number>;
  /** `end`: milliseconds of processor time that the process used; null where the system does not say. */
  readonly processorTime: number | null;
  /** Latencies of answered requests, microseconds. */
  readonly latencies: Float32Array<ArrayBuffer>;
}

const HEAD = 8;

export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const { latencies, ...rest } = frame;
  const json = new TextEncoder().encode(JSON.stringify(rest));
  const bytes = new Uint8Array(HEAD + json.length + latencies.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, latencies.length, true);
  bytes.set(json, HEAD);
  const { buffer, byteOffset, byteLength } = latencies;
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength), HEAD + json.length);
  return bytes;
}

/** Reads the frames of a load process to the end of its output. Throws `TypeError` when it ends inside one. */
export async function* readFrames(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Frame> {
  let waiting = new Uint8Array(0);
  for await (const chunk of stream) {
    waiting = joined(waiting, chunk);
    for (let size; (size = frameSize(waiting)) <= waiting.length;) {
      yield decodeFrame(waiting.slice(0, size));
      waiting = waiting.subarray(size);
    }
  }
  if (waiting.length > 0) {
    throw new TypeError("Cannot read a load process: it ended inside a frame");
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Bytes of the frame that begins here; Infinity when not even its head is there. */
function frameSize(bytes: Uint8Array<ArrayBuffer>): number {
  if (bytes.length < HEAD) return Infinity;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return HEAD + view.getUint32(0, true) + 4 * view.getUint32(4, true);
}

function decodeFrame(bytes: Uint8Array<ArrayBuffer>): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = HEAD + view.getUint32(0, true);
  const rest = JSON.parse(new TextDecoder().decode(bytes.slice(HEAD, end)));
  // The copy begins where a float may: at a multiple of four.
  return { ...rest, latencies: new Float32Array(bytes.slice(end).buffer) };
}

/** Milliseconds between frames. */
const TICK = 100;
/** Latencies that wait at most; more are told at once. */
const ROOM = 8192;
/** Milliseconds of a clock tick in /proc: USER_HZ is 100 on every system that Deno runs on. */
const CLOCK_TICK = 10;

/** Which part of a load is measured, in milliseconds from its start. */
interface Window {
  readonly from: number;
  readonly to: number;
}

/** Counts, and tells the coordinating process a few times a second. */
export class Recorder {
  readonly #window: Window;
  readonly #latencies = new Float32Array(ROOM);
  #waiting = 0;
  #done = 0;
  #bytes = 0;
  #failures: Record<string, number> = {};
  #start = performance.now();
  #nextTick = TICK;
  #processorStart = 0;

  constructor(window: Window = { from: 0, to: Infinity }) {
    this.#window = window;
  }

  /** The load begins: time is counted from here. */
  start(): void {
    this.#processorStart = processorTime() ?? 0;
    this.#start = performance.now();
  }

  /** Milliseconds since the start. */
  get now(): number {
    return performance.now() - this.#start;
  }

  /** A moment on the load's clock. Returns milliseconds since the start. */
  since(moment: number): number {
    return moment - this.#start;
  }

  /** Milliseconds until the next frame is due. */
  get untilTick(): number {
    return Math.max(0, this.#nextTick - this.now);
  }

  /**
   * A request was answered. `due`: when it was due, in milliseconds since the start. `latency`: how long it took from
   * then, in milliseconds. `bytes`: how many bytes came back.
   */
  answered(due: number, latency: number, bytes: number): void {
    const { from, to } = this.#window;
    if (due < from) return;
    if (this.#waiting === ROOM) this.tell("tick");
    this.#latencies[this.#waiting++] = 1000 * latency;
    if (this.now <= to) {
      this.#done++;
      this.#bytes += bytes;
    }
  }

  /** Bytes came back that belong to no request. */
  received(bytes: number): void {
    const { from, to } = this.#window;
    const { now } = this;
    if (from <= now && now <= to) this.#bytes += bytes;
  }

  /** Something came to nothing. */
  failed(kind: string): void {
    this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
  }

  /** Reports, if it is time. */
  tick(): boolean {
    const { now } = this;
    if (now < this.#nextTick) return false;
    this.#nextTick = TICK * (1 + Math.floor(now / TICK)); // on a grid, so that processes agree
    this.tell("tick");
    return true;
  }

  /** Reports. Throws `Error` when the coordinating process is gone. */
  tell(kind: Frame["kind"]): void {
    const used = kind === "end" ? processorTime() : null;
    const bytes = encodeFrame({
      kind,
      at: this.now,
      done: this.#done,
      bytes: this.#bytes,
      failures: this.#failures,
      processorTime: used === null ? null : used - this.#processorStart,
      latencies: this.#latencies.subarray(0, this.#waiting),
    });
    this.#waiting = this.#done = this.#bytes = 0;
    this.#failures = {};
    try {
      for (let sent = 0; sent < bytes.length;) {
        sent += Deno.stdout.writeSync(bytes.subarray(sent));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      Deno.exit(1); // whoever measures has gone
    }
  }
}

/** Milliseconds of processor time that this process has used, `proc(5)` stat; null without /proc. */
function processorTime(): number | null {
  if (Deno.build.os !== "linux") return null;
  const fields = readProcFile("/proc/self/stat").split(") ").pop()!.split(" ");
  return CLOCK_TICK * (Number(fields[11]) + Number(fields[12]));
}
