/**
 * Connections that are open at once, and what they cost the server.
 *
 * @module
 */
import { isLocal } from "../posix/dialing.ts";
import { Latencies } from "./latencies.ts";
import type { Loaders } from "./loaders.ts";
import type { LoadOutcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import type { LoadProgress } from "./load_progress.ts";
import { findServer, serverMemory } from "./server_memory.ts";
import { summary, Tally } from "./tally.ts";

/** Parts of the whole, as far as progress is concerned. */
const OPENED = 0.45;
const LOOKED_AT = 0.9;

/**
 * Opens connections with a round trip each, looks at the server's memory, has another round trip on each,
 * and ends them.
 *
 * @param plan What to do.
 * @param loaders The processes that do it.
 * @param progress Is told how far it is.
 * @returns What was found.
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
