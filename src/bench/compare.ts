/**
 * Compares two clients over the same slow link: one that sends without waiting for replies, and one that
 * waits for each.
 *
 * @module
 */
import type { Address } from "../posix/net/address.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import type { LoadProgress } from "./plan.ts";
import type { Link, Passage, RelayWork } from "./relay.ts";
import type { ClientKind, ClientWork } from "./bench_role.ts";

/** The plan of a comparison. Times are in milliseconds. */
interface ComparePlan extends Link {
  /** The server: an address, not a name. */
  readonly target: Address;
  /** How many lines each client sends and gets back. */
  readonly lines: number;
  /** How long a client may go without a line, beside the round trip. */
  readonly timeout: number;
  /**
   * How long after another the lines are given to a client, whose packets are then looked at; without it, all are
   * given at once.
   */
  readonly pace?: number;
}

/** How far a client was at a moment. */
interface Moment {
  /** Milliseconds since the first line was given to it. */
  readonly at: number;
  /** Lines that had come back. */
  readonly lines: number;
}

/** How one client did. */
export interface Run {
  readonly client: ClientKind;
  /** Milliseconds from the first line given to it to the last line back; its start is not in it. */
  readonly time: number;
  readonly linesPerSecond: number;
  /** How it went, at most {@linkcode MOST_MOMENTS}. */
  readonly course: readonly Moment[];
  /** When each line passed the ends of the link, where lines were given one after another. */
  readonly packets?: readonly LineTimes[];
}

/** The result of a comparison. */
export interface Comparison {
  readonly plan: ComparePlan;
  /** When it ended, ISO 8601. */
  readonly date: string;
  /** The client in two processes. */
  readonly split: Run;
  /** The client that waits. */
  readonly lockStep: Run;
  /** How many times as many lines a second the split one moves. */
  readonly ratio: number;
}

/** Moments of a run that are kept. */
const MOST_MOMENTS = 400;

const encoder = new TextEncoder();
/** The line that shows that a client is ready. */
const READY = encoder.encode("ready\n");

/**
 * Runs both clients, one after the other. Throws `Error` when a client fails, stops, or brings back other bytes than
 * were sent.
 */
export async function compare(
  plan: ComparePlan,
  progress: LoadProgress,
): Promise<Comparison> {
  await using relay = await startRelay(plan);
  const target = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: relay.port,
  } as const;
  const run = async (client: ClientKind): Promise<Run> => {
    await using compared = start("client", { client, target });
    const lines = Array.from(
      { length: plan.lines },
      (_, i) => encoder.encode(`line ${i + 1}\n`),
    );
    const run = await converse(compared.process, client, plan, lines, progress);
    const lengths = [READY, ...lines].map(({ length }) => length);
    const packets = await relay.trace?.lines(lengths);
    return packets ? { ...run, packets: packets.slice(1) } : run;
  };
  const split = await run("split");
  const lockStep = await run("lock-step");
  return {
    plan,
    date: new Date().toISOString(),
    split,
    lockStep,
    ratio: lockStep.time / split.time,
  };
}

/** A process of ours, ended at the end of the block. */
interface Started extends AsyncDisposable {
  readonly process: Deno.ChildProcess;
}

function start(
  what: "client" | "relay",
  work: ClientWork | RelayWork,
): Started {
  const rights = ["ffi", "net", "run", "read", "env"];
  const command = roleCommand("@bench", [what, JSON.stringify(work)], {
    permissions: rights.map((name) => `--allow-${name}`),
  });
  const process = new Deno.Command(command.program, {
    args: command.args,
    env: runtimeEnvironment(),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return {
    process,
    async [Symbol.asyncDispose]() {
      await process.stdin.close().catch(() => {}); // closed already
      try {
        process.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      await process.stdout.cancel().catch(() => {}); // read to its end already
      await process.status;
    },
  };
}

async function startRelay(
  { target, delay, bandwidth, pace }: ComparePlan,
): Promise<Started & { port: number; trace: PacketTrace | null }> {
  const isTraced = pace !== undefined;
  const started = start("relay", { target, delay, bandwidth, isTraced });
  const reader = started.process.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  if (value === undefined) throw new Error("Cannot compare: no relay started");
  const { port } = JSON.parse(new TextDecoder().decode(value));
  const trace = isTraced ? new PacketTrace(started.process.stdout) : null;
  return { ...started, port, trace };
}

/** Gives a client one line to see that it is ready, and then all of them. */
async function converse(
  process: Deno.ChildProcess,
  client: ClientKind,
  plan: ComparePlan,
  lines: readonly Uint8Array<ArrayBuffer>[],
  progress: LoadProgress,
): Promise<Run> {
  const { delay, pace = 0 } = plan;
  const patience = plan.timeout + 4 * delay + pace;
  const replies = new Replies(process.stdout.getReader(), patience);
  const input = process.stdin.getWriter();
  try {
    await input.write(READY);
    await replies.expect(READY);

    const all = new Uint8Array(lines.flatMap((line) => [...line]));
    const begin = performance.now();
    const course: Moment[] = [{ at: 0, lines: 0 }];
    const writing = pace > 0 ? give(input, lines, pace) : input.write(all);
    writing.catch(() => {}); // a client that is gone shows in its replies
    await replies.expect(all, (lines) => {
      course.push({ at: performance.now() - begin, lines });
      progress.show(lines / plan.lines, client);
    });
    const time = performance.now() - begin;
    await writing;
    return {
      client,
      time,
      linesPerSecond: 1000 * lines.length / time,
      course: thinned(course),
    };
  } catch (error) {
    throw new Error(`The ${client} client failed: ${(error as Error).message}`);
  } finally {
    input.releaseLock();
    replies.release();
  }
}

/** Gives a client lines as somebody types them. */
async function give(
  input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>,
  lines: readonly Uint8Array<ArrayBuffer>[],
  pace: number,
): Promise<void> {
  const begin = performance.now();
  for (const [i, line] of lines.entries()) {
    const wait = begin + i * pace - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    await input.write(line);
  }
}

/** The output of a client. */
class Replies {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #patience: number;

  constructor(
    reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
    patience: number,
  ) {
    this.#reader = reader;
    this.#patience = patience;
  }

  /** Reads exactly these bytes. */
  async expect(
    wanted: Uint8Array,
    watch: (lines: number) => void = () => {},
  ): Promise<void> {
    const NEWLINE = 10;
    let lines = 0;
    for (let at = 0; at < wanted.length;) {
      const chunk = await this.#next();
      for (const [i, byte] of chunk.entries()) {
        if (byte !== wanted[at + i]) throw new Error("other bytes came back");
        if (byte === NEWLINE) lines++;
      }
      at += chunk.length;
      watch(lines);
    }
  }

  release(): void {
    this.#reader.releaseLock();
  }

  async #next(): Promise<Uint8Array> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error(`nothing came for ${this.#patience / 1000}s`));
    }, this.#patience);
    try {
      const reading = this.#reader.read();
      reading.catch(() => {}); // when the patience ended first
      const { value } = await Promise.race([reading, late.promise]);
      if (value === undefined) {
        throw new Error("it ended before all bytes came back");
      }
      return value;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** At most so many, the first and the last among them. */
function thinned(course: readonly Moment[]): Moment[] {
  const step = Math.max(1, (course.length - 1) / (MOST_MOMENTS - 1));
  const kept: Moment[] = [];
  for (let i = 0; Math.round(i) < course.length - 1; i += step) {
    kept.push(course[Math.round(i)]!);
  }
  return [...kept, course.at(-1)!];
}

/* The packets of lines: the time at which each passed the two ends of a link, as the relay saw it. */

/** How long the relay may take to say what it has seen, in milliseconds. */
const PATIENCE = 10_000;

/** When one line, and the reply to it, passed the ends of the link: milliseconds since the first line was sent. */
interface LineTimes {
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
class PacketTrace {
  readonly #passages: Passage[] = [];
  #connection = 0;
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
      () =>
        late.reject(
          new Error("Cannot compare: the relay reported too few packets"),
        ),
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
