/**
 * A worker whose memory is rewound after each connection: see `zygote/rewind.ts`.
 *
 * @module
 */
import { exitNow } from "../posix/forking.ts";
import type { Fd } from "../posix/fd.ts";
import { own } from "../posix/intrinsics.ts";
import { receiveFd } from "../posix/net/handover.ts";
import { outliveParent } from "../posix/process.ts";
import type { LoadedService } from "../service/load.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  decodeHandover,
  encodeReport,
  HANDOVER_SIZE,
  MEMORY_FILES,
  REWINDING,
  STEPS,
} from "../wire/records.ts";
import { done, failed, ready, step, tell } from "../wire/tell.ts";
import { serveNext, type TellEndOf } from "./serve_one.ts";

/** What marks and rewinds the memory of this process. */
export interface Rewinder {
  /**
   * Marks it.
   *
   * @param channel Where what is given to {@linkcode rewind} goes, borrowed.
   * @param files Numbers of {@linkcode MEMORY_FILES}, borrowed for good; -1 for those that are missing.
   * @returns 0; later, when it returns once more, how often memory was rewound; what went wrong, negative,
   *   a place in {@linkcode REWINDING}.
   */
  mark(channel: number, files: readonly number[]): number;
  /**
   * Has {@linkcode mark} return once more, with all memory as it was then, or ends this process. Before the
   * first mark it does nothing: so it can be rehearsed.
   *
   * @param report What is sent over the channel when that is done; may be empty.
   */
  rewind(report: Uint8Array<ArrayBuffer>): void;
  /** Tells how a connection ended when memory is rewound; one function, which was compiled for good. */
  readonly tellEnd: TellEndOf;
}

const NOTHING = new Uint8Array(0);
const TRIED = 1;

/**
 * Serves until the parent wants no more.
 *
 * @param channel The process's own channel; it stays open until the process ends.
 */
export async function workRewound(
  channel: Fd,
  service: LoadedService,
  options: ChildOptions,
  rewinder: Rewinder | null,
): Promise<void> {
  if (rewinder === null) return refuse(channel, "Linux on x86_64 is needed");
  tell(channel.number, step(STEPS.marking));
  const files = receiveFiles(channel);
  if (files === null) return;
  outliveParent(); // it may: what waits for a connection finds the end of its channel
  const times = rewinder.mark(channel.number, files);
  // Here each connection begins, with nothing of those before it.
  const serving = serveRewound(
    times,
    channel,
    service,
    options,
    rewinder,
  );
  if (serving) await own(serving);
}

/**
 * Serves one connection, from the mark on: rehearsed, since what is compiled later is compiled for each anew.
 *
 * @param times What {@linkcode Rewinder.mark} returned.
 */
export function serveRewound(
  times: number,
  channel: Fd,
  service: LoadedService,
  options: ChildOptions,
  rewinder: Rewinder,
): void | Promise<void> {
  if (times <= TRIED) begin(times, channel, rewinder);
  const serving = serveNext(
    channel,
    service,
    options,
    rewinder.tellEnd,
  );
  if (serving !== "end") return serving;
}

/** The first time rewinding is tried without a connection. */
function begin(times: number, channel: Fd, rewinder: Rewinder): void {
  if (times < 0) refuse(channel, REWINDING[-times]!);
  if (times === 0) rewinder.rewind(NOTHING);
  tell(channel.number, ready());
}

/** For {@linkcode Rewinder.tellEnd}. */
export function rewindsWith(rewind: Rewinder["rewind"]): TellEndOf {
  return (handover, outcome, clientEndedAt) =>
    rewind(encodeReport(done(handover, outcome, clientEndedAt)));
}

function refuse(channel: Fd, why: string): void {
  tell(channel.number, failed(0, why));
  exitNow(1);
}

/** What comes of the parent, in the order of {@linkcode MEMORY_FILES}; null when it is gone. */
function receiveFiles(channel: Fd): number[] | null {
  const files: number[] = [];
  for (let i = 0; i < MEMORY_FILES.length; i++) files[i] = -1;
  for (let id = 0; id < MEMORY_FILES.length - 1;) {
    const received = receiveFd(channel.number, {
      wait: true,
      size: HANDOVER_SIZE,
    });
    if (received === "end" || received === null) return null;
    id = decodeHandover(received.data).id;
    if (received.fd) files[id] = received.fd.release();
  }
  return files;
}
