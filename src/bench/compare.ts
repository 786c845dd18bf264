/**
 * Compares two clients over the same slow link: one that sends without waiting for replies, and one that
 * waits for each.
 *
 * @module
 */
import type { Address } from "../posix/net/address.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import { type LineTimes, PacketTrace } from "./packets.ts";
import type { LoadProgress } from "./plan.ts";
import type { Link, RelayWork } from "./relay.ts";
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
export interface Moment {
  /** Milliseconds since the first line was given to it. */
  readonly at: number;
  /** Lines that had come back. */
  readonly lines: number;
}

/** How one client did. */
export interface Run {
  /** Which. */
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
