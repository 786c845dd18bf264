/**
 * A forked child, from its first instruction to its last but one.
 *
 * @module
 */
import { POLLHUP } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import type { Fence } from "../posix/seccomp/fence.ts";
import { exitNow } from "../posix/forking.ts";
import { pollOne } from "../posix/io.ts";
import { leaveProcessGroup, setProcessName } from "../posix/process.ts";
import type { LoadedService } from "../service/load.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { beReborn, type Rebirth } from "./rebirth.ts";
import { endedIfDue, serveOne } from "../child/serve_one.ts";
import { done, tell, took } from "../wire/tell.ts";
import type { Handover } from "../wire/records.ts";
import { work } from "../child/worker.ts";

/** What a new child was born for. */
export interface Birth {
  /** What came with the descriptor. */
  readonly handover: Handover;
  /** A connection, or a worker's channel; the child's. */
  readonly fd: Fd;
}

/** What the zygote works with. */
export interface Means {
  /** Where descriptors come from, and the zygote reports; a child closes it. */
  readonly channel: Fd;
  /** Where children report, who keep it. */
  readonly reports: Fd;
  /** Readable when a child has ended; a child closes it. */
  readonly children: Fd;
  /** What makes a copy a process of its own. */
  readonly rebirth: Rebirth;
  /** What it puts up around itself; null under a sandbox that needs none. */
  readonly fence: Fence | null;
}

/**
 * Puts the means together, always in one shape, so that code which was rehearsed with them fits.
 */
export function meansOf(
  { channel, reports, children }: Pick<
    Means,
    "channel" | "reports" | "children"
  >,
  rebirth: Rebirth,
  fence: Fence | null,
): Means {
  return { channel, reports, children, rebirth, fence };
}

/** The first steps of a child. */
export function arrive(means: Means, handover: Handover): void {
  means.fence?.putUp();
  beReborn(means.rebirth);
  setProcessName(means.rebirth.name);
  means.children.close();
  leaveProcessGroup();
  // `took` comes before the channel is closed: see point 7 of the wire.
  const isHeard = handover.kind !== "connection" ||
    tell(means.reports.number, took(handover));
  // Where the parent is there and cannot be told, another child gets the connection.
  if (!isHeard && !hasHungUp(means.channel.number)) exitNow(1);
  means.channel.close();
}

/** What a child lives for. */
export function live(
  { handover, fd }: Birth,
  reports: Fd,
  service: LoadedService,
  options: ChildOptions,
): void | Promise<void> {
  if (handover.kind === "worker") {
    reports.close();
    return work(fd, service, options);
  }
  return endedIfDue(
    service,
    serveOne(
      service.serve,
      fd,
      handover,
      options,
      (outcome) => tell(reports.number, done(handover, outcome)),
    ),
  );
}

function hasHungUp(fd: number): boolean {
  return (pollOne(fd, 0, 0) & POLLHUP) !== 0;
}
