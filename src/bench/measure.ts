/**
 * A benchmark: load processes are started, begin together, and what they tell is put together.
 *
 * @module
 */
import { POLLOUT } from "../posix/abi.ts";
import { encodeAddress } from "../posix/net/address.ts";
import { dial, isLocal } from "../posix/net/dialing.ts";
import type { Fd } from "../posix/fd.ts";
import { poll } from "../posix/io.ts";
import { Latencies } from "./latencies.ts";
import { Loaders } from "./loader.ts";
import type { LoadOutcome } from "./outcome.ts";
import {
  type Inherited,
  type LoadProgress,
  type Plan,
  type Share,
  shares,
} from "./plan.ts";
import { findServer, serverMemory } from "./server_memory.ts";
import { summary, Tally } from "./tally.ts";

/** Parts of the whole, as far as progress is concerned. */
const OPENED = 0.45;
const LOOKED_AT = 0.9;

/**
 * Opens connections with a round trip each, looks at the server's memory, has another round trip on each,
 * and ends them.
 *
 * @throws {Error} When a load process ends early.
 */
export async function holdConnections(
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

/**
 * Runs a benchmark.
 *
 * @throws {Error} When the system refuses, or a load process ends early.
 */
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
    poll([{ fd: socket.number, events: POLLOUT }], timeout);
    return socket;
  });
}

/**
 * Who does what: with two processes or more, each connection has one that sends and another one that
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
