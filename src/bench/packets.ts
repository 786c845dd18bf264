/**
 * The packets of lines: the time at which each passed the two ends of a link, as the relay saw it.
 *
 * @module
 */
import type { Passage } from "./relay.ts";

/** How long the relay may take to say what it has seen, in milliseconds. */
const PATIENCE = 10_000;

/** When one line, and the reply to it, passed the ends of the link: milliseconds since the first line was sent. */
export interface LineTimes {
  /** It left the client. */
  readonly sent: number;
  /** It reached the server. */
  readonly arrived: number;
  /** The reply left the server. */
  readonly answered: number;
  /** The reply reached the client. */
  readonly received: number;
}

/** The report of a traced relay, one connection after another. */
export class PacketTrace {
  readonly #passages: Passage[] = [];
  #connection = 0;
  /** Resolves when there is more. */
  #more = Promise.withResolvers<void>();

  /** Reads the relay's output to its end. */
  constructor(output: ReadableStream<Uint8Array<ArrayBuffer>>) {
    void this.#read(output).catch(() => {}); // what is missing is missed by who waits for it
  }

  /**
   * The lines of the next connection, once all replies to them have come. `lengths`: how many bytes each line has,
   * also as it comes back. Returns their times, the first line's among them; the second line was sent at 0. Throws
   * `Error` when the relay does not say.
   */
  async lines(lengths: readonly number[]): Promise<LineTimes[]> {
    const connection = ++this.#connection;
    const ends: number[] = [];
    for (const length of lengths) ends.push((ends.at(-1) ?? 0) + length);
    await this.#until(connection, ends.at(-1)!);
    const own = this.#passages.filter((one) => one.connection === connection);
    const when = (way: Passage["way"], end: Passage["end"], bytes: number) =>
      own.find((one) =>
        one.way === way && one.end === end && one.bytes >= bytes
      )!.at;
    const start = when("there", "in", ends[1] ?? ends[0]!);
    return ends.map((bytes) => ({
      sent: when("there", "in", bytes) - start,
      arrived: when("there", "out", bytes) - start,
      answered: when("back", "in", bytes) - start,
      received: when("back", "out", bytes) - start,
    }));
  }

  async #until(connection: number, bytes: number): Promise<void> {
    const isThere = () =>
      this.#passages.some((one) =>
        one.connection === connection && one.way === "back" &&
        one.end === "out" && one.bytes >= bytes
      );
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error("Cannot compare: the relay says too little")),
      PATIENCE,
    );
    try {
      while (!isThere()) await Promise.race([this.#more.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of output) {
      const lines = (rest + decoder.decode(bytes, { stream: true }))
        .split("\n");
      rest = lines.pop()!;
      this.#passages.push(...lines.map((line) => JSON.parse(line)));
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    }
  }
}
