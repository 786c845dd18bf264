/**
 * Whether connection processes can be had at all, where that may be refused for good.
 *
 * @module
 */
import { decodeReport, REPORT_SIZE } from "../child/wire.ts";
import { POLLIN } from "../posix/abi.ts";
import { receiveFd } from "../posix/handover.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { WorkerSource } from "./source.ts";
import { launchWorker, type Worker } from "./worker.ts";

/**
 * Starts one process, waits for its first word, and lets it go.
 *
 * @param source Where it comes from.
 * @param watcher Watches its channel.
 * @returns Resolves when it has said that it is ready.
 * @throws {Error} When it cannot be started, or says that it cannot serve; the message says why.
 */
export async function proveThatOneStarts(
  source: WorkerSource,
  watcher: Watcher,
): Promise<void> {
  const worker = launchWorker(source, () => {});
  if (!worker) throw new TypeError("Cannot start a connection process");
  const { number } = worker.channel;
  const said = Promise.withResolvers<string | undefined>();
  watcher.watch(number, POLLIN, () => said.resolve(firstWord(worker, source)));
  const why = await said.promise;
  watcher.unwatch(number);
  worker.channel.close(); // its end: the process exits
  if (why !== undefined) throw new TypeError(why);
}

/** Why it cannot serve; undefined when it can. */
function firstWord(
  { channel, process }: Worker,
  source: WorkerSource,
): string | undefined {
  const size = REPORT_SIZE;
  const received = receiveFd(channel.number, { wait: false, size });
  if (received === null || received === "end") {
    return "a connection process ended before it was ready";
  }
  if (received.fd) source.guard(process, received.fd);
  const report = decodeReport(received.data);
  return report?.kind === "ready" ? undefined : report?.outcome?.text ?? "";
}
