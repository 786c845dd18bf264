/**
 * What a load process has measured and not yet told.
 *
 * @module
 */
import { readProcFile } from "../posix/proc.ts";
import { encodeFrame, type Failures, type Frame } from "./frames.ts";

/** Milliseconds between frames. */
const TICK = 100;
/** Latencies that wait at most; more are told at once. */
const ROOM = 8192;
/** Milliseconds of a clock tick in /proc: USER_HZ is 100 on every system that Deno runs on. */
const CLOCK_TICK = 10;

/** Which part of a load is measured, in milliseconds from its start. */
export interface Window {
  /** Its beginning. */
  readonly from: number;
  /** Its end. */
  readonly to: number;
}

/** Counts, and tells the coordinating process a few times a second. */
export class Recorder {
  readonly #window: Window;
  readonly #latencies = new Float32Array(ROOM);
  #waiting = 0;
  #done = 0;
  #bytes = 0;
  #failures: Failures = {};
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

  /**
   * A moment on the load's clock.
   *
   * @returns Milliseconds since the start.
   */
  since(moment: number): number {
    return moment - this.#start;
  }

  /** Milliseconds until the next frame is due. */
  get untilTick(): number {
    return Math.max(0, this.#nextTick - this.now);
  }

  /**
   * A request was answered.
   *
   * @param due When it was due, in milliseconds since the start.
   * @param latency How long it took from then, in milliseconds.
   * @param bytes How many bytes came back.
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

  /**
   * Tells what there is, if it is time.
   *
   * @returns Whether it was.
   */
  tick(): boolean {
    const { now } = this;
    if (now < this.#nextTick) return false;
    this.#nextTick = TICK * (1 + Math.floor(now / TICK)); // on a grid, so that processes agree
    this.tell("tick");
    return true;
  }

  /**
   * Tells what there is.
   *
   * @throws {Error} When the coordinating process is gone.
   */
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
    for (let sent = 0; sent < bytes.length;) {
      sent += Deno.stdout.writeSync(bytes.subarray(sent));
    }
  }
}

/** Milliseconds of processor time that this process has used, `proc(5)` stat; null without /proc. */
function processorTime(): number | null {
  if (Deno.build.os !== "linux") return null;
  const fields = readProcFile("/proc/self/stat").split(") ").pop()!.split(" ");
  return CLOCK_TICK * (Number(fields[11]) + Number(fields[12]));
}
