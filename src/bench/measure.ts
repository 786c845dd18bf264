/**
 * Runs a benchmark: starts the load processes, lets them begin together, reads their reports and combines them.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { poll } from "../posix/io.ts";
import { type Address, encodeAddress } from "../posix/net/address.ts";
import { dial, isLocal } from "../posix/net/dialing.ts";
import {
  descriptorTarget,
  listProcDirectory,
  readProcFile,
} from "../posix/proc.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import {
  Latencies,
  type LoadOutcome,
  type ServerMemory,
  summary,
  Tally,
} from "./outcome.ts";
import {
  type Inherited,
  type LoadProgress,
  type Plan,
  type Share,
  shares,
} from "./plan.ts";
import { type Frame, readFrames } from "./recorder.ts";

const LISTENING = "0A"; // TCP_LISTEN, include/net/tcp_states.h
const ACCEPTS = 0x10000; // __SO_ACCEPTCON in /proc/net/unix
/** Processes after which something else may happen. */
const BATCH = 50;

/**
 * Finds the process that listens. Returns the one that no other listener is the parent of; null when there is none
 * that we may see.
 */
function findServer(address: Address): number | null {
  if (Deno.build.os !== "linux") return null;
  const sockets = new Set(
    listeningSockets(address).map((inode) => `socket:[${inode}]`),
  );
  const parents = parentTable();
  const listeners = [...parents.keys()].filter((pid) =>
    pid !== 1 && descriptorsOf(pid).some((target) => sockets.has(target))
  );
  const first = listeners.find((pid) => !listeners.includes(parents.get(pid)!));
  return first ?? null;
}

/** Adds up the memory of a process and of all its descendants. */
async function serverMemory(
  pid: number,
  watch: (looked: number, all: number) => void = () => {},
): Promise<ServerMemory> {
  const tree = descendants(pid);
  let bytes = 0;
  for (const [i, member] of tree.entries()) {
    bytes += proportionalSize(member);
    if (i % BATCH !== 0) continue;
    watch(i, tree.length);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return { pid, processes: tree.length, bytes };
}

/** Inodes of the sockets that listen there. */
function listeningSockets(address: Address): string[] {
  if ("path" in address) {
    return rows("/proc/net/unix")
      .filter(([, , , flags, , , , path]) =>
        parseInt(flags ?? "0", 16) & ACCEPTS && path === address.path
      )
      .map((fields) => fields[6]!);
  }
  const port = address.port.toString(16).toUpperCase().padStart(4, "0");
  return [...rows("/proc/net/tcp"), ...rows("/proc/net/tcp6")]
    .filter(([, local, , state]) =>
      state === LISTENING && local?.endsWith(`:${port}`)
    )
    .map((fields) => fields[9]!);
}

/** The words of each line after the first of a table in /proc/net. */
function rows(path: string): string[][] {
  const lines = tryRead(path).trimEnd().split("\n").slice(1);
  return lines.map((line) => line.trim().split(/\s+/));
}

/** Every process and its parent. */
function parentTable(): Map<number, number> {
  const table = new Map<number, number>();
  for (const name of listProcDirectory("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = /\) \S (\d+)/.exec(tryRead(`/proc/${name}/stat`))?.[1];
    if (parent !== undefined) table.set(Number(name), Number(parent));
  }
  return table;
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const [pid, parent] of parentTable()) {
    const siblings = children.get(parent);
    if (siblings) siblings.push(pid);
    else children.set(parent, [pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...children.get(pid) ?? []); // grows while it is walked
  return tree;
}

function descriptorsOf(pid: number): string[] {
  try {
    return listProcDirectory(`/proc/${pid}/fd`).map((fd) =>
      descriptorTarget(fd, pid) ?? ""
    );
  } catch {
    return []; // it has ended, or is another user's
  }
}

/** Bytes of memory, with shared memory divided among its processes: `Pss` of smaps_rollup. */
function proportionalSize(pid: number): number {
  const text = tryRead(`/proc/${pid}/smaps_rollup`);
  return 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0);
}

function tryRead(path: string): string {
  try {
    return readProcFile(path);
  } catch {
    return ""; // the process has ended, or is another user's
  }
}

class Loader implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #frames: AsyncGenerator<Frame>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /**
   * Starts one, which waits for {@linkcode goOn} once it is ready. `share`: what it does. Its inherited connections
   * stay the caller's to close. Throws `Error` when the system starts no process.
   */
  constructor(share: Share) {
    const command = roleCommand("@bench", ["load", JSON.stringify(share)], {
      permissions: ["--allow-ffi"],
    });
    const sockets = share.inherited.map(({ fd }) => fd);
    for (const fd of sockets) setInherit(fd, true);
    try {
      // The spawn is synchronous: no other process of ours can inherit these connections.
      this.#process = new Deno.Command(command.program, {
        args: command.args,
        env: runtimeEnvironment(),
        clearEnv: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
    } finally {
      for (const fd of sockets) setInherit(fd, false);
    }
    this.#frames = readFrames(this.#process.stdout);
    this.#input = this.#process.stdin.getWriter();
  }

  /** Lets it go on: from ready to the load, or with the next part of a `hold`. */
  async goOn(): Promise<void> {
    await this.#input.write(new Uint8Array(1)).catch(() => {}); // it is gone: reading says how
  }

  /** Hears from it. Throws `Error` when it ends before. */
  async listen(
    until: Frame["kind"],
    hear: (frame: Frame) => void,
  ): Promise<void> {
    for (;;) {
      const { value, done } = await this.#frames.next();
      if (done) {
        const { code, signal } = await this.#process.status;
        throw new Error(
          `A load process exited too early: ${
            signal ? `killed by ${signal}` : `exit code ${code}`
          }`,
        );
      }
      hear(value);
      if (value.kind === until) return;
    }
  }

  /** Ends it, if it has not ended, and reaps it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames.return(undefined);
    await this.#input.close().catch(() => {});
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
  }
}

class Loaders implements AsyncDisposable {
  readonly #loaders: Loader[] = [];
  readonly #heard = new Map<Loader, number>();

  constructor(shares: readonly Share[]) {
    for (const share of shares) this.#loaders.push(new Loader(share));
  }

  /** Lets all of them go on. */
  async goOn(): Promise<void> {
    await Promise.all(this.#loaders.map((loader) => loader.goOn()));
  }

  /** Hears from all of them. Throws `Error` when one ends before. */
  async listen(
    until: Frame["kind"],
    hear: (frame: Frame, before: number) => void = () => {},
  ): Promise<void> {
    await Promise.all(
      this.#loaders.map((loader) =>
        loader.listen(until, (frame) => {
          hear(frame, this.#heard.get(loader) ?? 0);
          this.#heard.set(loader, frame.at);
        })
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#loaders.map((loader) => loader[Symbol.asyncDispose]()),
    );
  }
}

/** Parts of the whole, as far as progress is concerned. */
const OPENED = 0.45;
const LOOKED_AT = 0.9;

/**
 * Opens connections with a round trip each, looks at the server's memory, has another round trip on each, and ends
 * them. Throws `Error` when a load process ends early.
 */
async function holdConnections(
  plan: Plan,
  loaders: Loaders,
  progress: LoadProgress,
): Promise<LoadOutcome> {
  const server = isLocal(plan.target) ? findServer(plan.target) : null;
  const before = server === null ? null : await serverMemory(server);
  const tally = new Tally(0, Infinity);
  await loaders.listen("ready");
  await loaders.goOn();
  await loaders.listen("held", (frame, last) => {
    tally.add(frame, last);
    const part = tally.requests / plan.connections;
    progress.show(OPENED * part, `${tally.requests} open`);
  });
  const { requests: connections, at: openTime, latencies } = tally;
  const during = server === null
    ? null
    : await serverMemory(server, (looked, all) => {
      const part = OPENED + (LOOKED_AT - OPENED) * looked / all;
      progress.show(part, `memory of ${all} processes`);
    });
  const opening = { ...summary(plan, tally, openTime), timeline: [] };

  tally.latencies = new Latencies();
  await loaders.goOn();
  await loaders.listen("held", (frame, last) => tally.add(frame, last));
  progress.show(LOOKED_AT, "closing");
  const again = tally.requests - connections;
  const secondLatency = tally.latencies.summary;
  await loaders.goOn();
  await loaders.listen("end", (frame, last) => tally.add(frame, last));
  return {
    ...opening,
    latency: latencies.summary,
    failures: tally.failures,
    failed: tally.failed,
    busiest: tally.busiest,
    held: {
      connections,
      again,
      openTime,
      secondLatency,
      before,
      during,
      bytesPerConnection: during === null || connections === 0
        ? null
        : during.bytes / connections,
    },
  };
}

/** Runs a benchmark. Throws `Error` when the system refuses, or a load process ends early. */
export async function measure(
  plan: Plan,
  progress: LoadProgress,
): Promise<LoadOutcome> {
  const streams = plan.mode === "stream" ? openStreams(plan) : [];
  await using loaders = startAll(plan, streams);
  if (plan.mode === "hold") {
    return await holdConnections(plan, loaders, progress);
  }
  const { warmup, duration } = plan;
  const tally = new Tally(warmup, duration);
  await loaders.listen("ready");
  await loaders.goOn();
  await loaders.listen("end", (frame, before) => {
    tally.add(frame, before);
    const { at, requests, bytes } = tally;
    const seconds = Math.max(1, at - warmup) / 1000;
    const text = plan.mode === "stream"
      ? `${(bytes / 1e6 / seconds).toFixed(0)} MB/s`
      : `${(requests / seconds).toFixed(0)}/s`;
    progress.show(Math.min(1, at / (warmup + duration)), text);
  });
  return {
    ...summary(plan, tally, duration),
    timeline: tally.timeline,
    held: null,
  };
}

/** Starts the processes. Those that stream inherit the connections, which are closed here. */
function startAll(plan: Plan, streams: readonly Fd[]): Loaders {
  try {
    return new Loaders(
      plan.mode === "stream"
        ? streamShares(plan, streams.map((fd) => fd.number))
        : shares(plan),
    );
  } finally {
    for (const stream of streams) stream.close();
  }
}

/** Connects; what stands in the way of a connection shows at the process that sends on it. */
function openStreams({ target, connections, timeout }: Plan): Fd[] {
  const peer = encodeAddress(target);
  return Array.from({ length: connections }, () => {
    const socket = dial(peer);
    poll([{ fd: socket.number, events: abi.POLLOUT }], timeout);
    return socket;
  });
}

/**
 * Divides the work: with two or more processes, each connection has one process that sends and another one that
 * receives, as in our client.
 */
function streamShares(plan: Plan, sockets: readonly number[]): Share[] {
  const pairs = plan.processes >> 1;
  const share = (inherited: readonly Inherited[]): Share => ({
    ...plan,
    offset: 0,
    inherited,
  });
  if (pairs === 0) {
    const both = { sends: true, receives: true };
    return [share(sockets.map((fd) => ({ fd, ...both })))];
  }
  return Array.from({ length: 2 * pairs }, (_, i) => {
    const sends = i % 2 === 0;
    const mine = sockets.filter((_, k) => k % pairs === i >> 1);
    return share(mine.map((fd) => ({ fd, sends, receives: !sends })));
  });
}
