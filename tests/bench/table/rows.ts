/**
 * The measured rows.
 *
 * @module
 */
import type { LoadOutcome } from "../../../src/bench/outcome.ts";
import { commandLine } from "../../helpers/command.ts";
import { within } from "../../helpers/testing.ts";
import { Contestant } from "./contestant.ts";
import type { Peer } from "./peers.ts";

/** A figure of a row. */
export interface Figure {
  /** Its title, with the unit. */
  readonly title: string;
}

/** The figures of one measurement. */
export interface Row {
  /** Its id for `--rows`. */
  readonly id: string;
  /** Its figures, in this order. */
  readonly figures: readonly Figure[];
  /** The installed servers; all others are compared with the first one, ours. */
  readonly peers: readonly string[];
  /** At most so many rounds, where one takes long. */
  readonly rounds?: number;
  /**
   * Measures one.
   *
   * @param peer Who.
   * @param seconds How long there is to be load.
   * @returns The figures.
   */
  measure(peer: Peer, seconds: number): Promise<number[]>;
}

const OF_PROCESSES = ["seed", "tcpserver", "socat-exec", "socat-pipe"];

/** Every row, in the order of the table. */
export const ROWS: readonly Row[] = [
  {
    id: "fresh",
    figures: [
      { title: "fresh process: connections/s" },
      { title: "fresh process: connect to echo, p50, ms" },
      { title: "fresh process: connect to echo, p99, ms" },
    ],
    peers: [
      ...["fork", "compiled-fork", "spawn", ...OF_PROCESSES],
      ...["ncat", "xinetd", "xinetd-cat"],
    ],
    measure: (peer, seconds) =>
      underLoad(peer, ["--connect", ...lasting(seconds)], (found) => [
        found.requestsPerSecond,
        found.latency!.p50,
        found.latency!.p99,
      ]),
  },
  {
    id: "pooled",
    figures: [{ title: "processes that stay: connections/s" }],
    peers: ["pool", "pool-off", "compiled-pool", "cluster", "listen", "seed"],
    measure: connectionsPerSecond,
  },
  ofHandler("await", "a handler that awaits"),
  ofHandler("streams", "a handler of streams"),
  roundTrip(64),
  roundTrip(24), // the seed's server reads 30 bytes at a time; the rest of 64 meets Nagle's algorithm
  {
    id: "bulk",
    figures: [{ title: "one connection, both ways: MB/s" }],
    peers: ["fork", ...OF_PROCESSES, "ncat", "xinetd-cat", "listen"],
    measure: (peer, seconds) =>
      underLoad(peer, ["--stream", ...lasting(seconds)], (found) => [
        found.bytesPerSecond / 1e6,
      ]),
  },
  hold(1_000, ["fork", ...OF_PROCESSES, "ncat", "xinetd-cat", "listen"], 3),
  hold(10_000, ["fork", "seed", "tcpserver", "listen"], 1),
  {
    id: "start",
    figures: [{ title: "start to first echo, ms" }],
    peers: [
      ...["fork", "listen", "pool", "spawn"],
      ...["compiled-fork", "compiled-pool", "compiled-spawn"],
      ...["await-fork", "cluster"],
      ...[...OF_PROCESSES, "ncat", "xinetd-cat"],
    ],
    measure: async (peer) => {
      const from = performance.now();
      await using server = Contestant.launch(peer.command);
      await firstEcho(server.port);
      return [performance.now() - from];
    },
  },
];

/** Connections a second of the same module in our models and in a single process. */
function ofHandler(id: string, what: string): Row {
  return {
    id,
    figures: [{ title: `${what}: connections/s` }],
    peers: ["fork", "listen", "pool", "spawn"].map((who) => `${id}-${who}`),
    measure: connectionsPerSecond,
  };
}

function connectionsPerSecond(peer: Peer, seconds: number): Promise<number[]> {
  const load = ["--connect", ...lasting(seconds)];
  return underLoad(peer, load, (found) => [found.requestsPerSecond]);
}

function roundTrip(size: number): Row {
  const title = `round trip of ${size} bytes`;
  return {
    id: `ping${size}`,
    figures: [
      { title: `${title}, p50, µs` },
      { title: `${title}, p99, µs` },
    ],
    peers: ["fork", "pool", ...OF_PROCESSES, "ncat", "xinetd-cat", "listen"],
    measure: (peer, seconds) => {
      const load = ["--ping", "--size", String(size), ...lasting(seconds)];
      return underLoad(peer, load, (found) => [
        found.latency!.p50 * 1000,
        found.latency!.p99 * 1000,
      ]);
    },
  };
}

function hold(count: number, peers: readonly string[], rounds: number): Row {
  const number = count.toLocaleString("en");
  return {
    id: `hold${count}`,
    figures: [{
      title: `memory a connection, ${number} held, KB`,
    }],
    peers,
    rounds,
    measure: (peer) =>
      underLoad(
        peer,
        ["--hold", String(count), "--timeout", "60s"],
        (found) => {
          const { again, bytesPerConnection } = found.held!;
          if (again !== count) throw new Error(`${again} of ${count} answered`);
          return [bytesPerConnection! / 1024];
        },
      ),
  };
}

function lasting(seconds: number): string[] {
  return ["--duration", `${seconds * 1000}ms`];
}

/** Starts a server, lets `mpserv bench` loose on it, and reads what that found. */
async function underLoad(
  peer: Peer,
  load: readonly string[],
  read: (found: LoadOutcome) => number[],
): Promise<number[]> {
  await using server = Contestant.launch(peer.command);
  await server.listens();
  await firstEcho(server.port); // whatever it does at the first one
  const target = ["127.0.0.1", String(server.port), "--json"];
  const [program, ...args] = commandLine(["bench", ...load, ...target]);
  const output = await new Deno.Command(program, {
    args,
    stdin: "null",
    signal: AbortSignal.timeout(180_000),
  }).output();
  const [text, error] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  if (!text!.startsWith("{")) throw new Error(error!.trim());
  const found: LoadOutcome = JSON.parse(text!);
  if (found.failed > 0) throw new Error(JSON.stringify(found.failures));
  if (found.bytesPerSecond === 0) {
    throw new Error("no answer during the whole measurement");
  }
  return read(found);
}

/** Connects as soon as somebody listens, and waits for an echo. */
async function firstEcho(port: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(new TextEncoder().encode("first\n"));
      await within("the first echo", connection.read(new Uint8Array(8)));
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}
