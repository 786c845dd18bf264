/**
 * A server's log, as a test waits on it.
 *
 * @module
 */
import { DEADLINE } from "./testing.ts";

/** A line of the log in JSON. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Reads lines to the end of a stream, and wakes who waits for them. */
export class LogReader {
  /** Every line so far that is JSON, and kept. */
  readonly lines: LogLine[] = [];
  /** Every line so far that is not. */
  readonly others: string[] = [];
  /** Resolves at the end of the stream: no process has its other end any more. */
  readonly ended: Promise<void>;
  #open = true;
  #wake = Promise.withResolvers<void>();
  readonly #keeps: (line: LogLine) => boolean;

  /**
   * @param stream Where the lines come from.
   * @param keeps Hears each line, and says whether it is kept: a long run keeps few.
   */
  constructor(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    keeps: (line: LogLine) => boolean = () => true,
  ) {
    this.#keeps = keeps;
    this.ended = this.#read(stream);
  }

  /** The lines with such a message. */
  where(message: string | RegExp): LogLine[] {
    return this.lines.filter((line) => matches(line.message, message));
  }

  /**
   * Waits for a line, which may have come already.
   *
   * @param wanted A message or part of it, or what must hold for the line.
   * @param deadline How long at most, in milliseconds.
   * @returns The first such line.
   */
  async waitFor(
    wanted: string | RegExp | ((line: LogLine) => boolean),
    deadline = DEADLINE,
  ): Promise<LogLine> {
    const holds = typeof wanted === "function"
      ? wanted
      : ({ message }: LogLine) => matches(message, wanted);
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), deadline);
    try {
      for (let next = 0;;) {
        for (; next < this.lines.length; next++) {
          if (holds(this.lines[next]!)) return this.lines[next]!;
        }
        const why = this.#open
          ? await Promise.race([this.#wake.promise, late.promise])
          : "ended";
        if (why) throw new Error(`No line ${wanted} (${why}) in:\n${this}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until so many lines have such a message. */
  async waitForCount(message: string | RegExp, count: number): Promise<void> {
    const enough = () => this.where(message).length >= count;
    await this.waitFor(enough);
  }

  /** Everything so far, for a message. */
  toString(): string {
    const lines = this.lines.map((line) => JSON.stringify(line));
    return [...lines, ...this.others].slice(-60).join("\n");
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#add(line);
      this.#notify();
    }
    if (rest !== "") this.#add(rest);
    this.#open = false;
    this.#notify();
  }

  #add(text: string): void {
    let line: LogLine;
    try {
      line = JSON.parse(text);
    } catch {
      this.others.push(text);
      return;
    }
    if (this.#keeps(line)) this.lines.push(line);
  }

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }
}

function matches(text: string, wanted: string | RegExp): boolean {
  return typeof wanted === "string" ? text.includes(wanted) : wanted.test(text);
}
