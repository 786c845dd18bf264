/**
 * Workers that are forked from a zygote.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import { askCredentials, socketPair } from "../posix/net/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { type Report, SECRET_SIZE } from "../wire/records.ts";
import { type ProcessSystem, SYSTEM } from "./children.ts";
import { type Exit, exitOf, type ProcessEntry } from "./model.ts";
import type { Launched, WorkerProcess, WorkerSource } from "./worker.ts";
import type { Zygote } from "./zygote.ts";
import {
  type SupervisorEvents,
  ZygoteSupervisor,
} from "./zygote_supervisor.ts";

/** The empty client for a worker, which has none yet. */
const NOBODY = {
  peer: new Uint8Array(0),
  secret: new Uint8Array(SECRET_SIZE),
};

class ForkedWorker implements WorkerProcess {
  pid = 0;
  readonly id: number;
  readonly zygote: Zygote;
  readonly ended: (exit: Exit) => void;
  readonly #zygotes: ZygoteSupervisor;

  constructor(
    id: number,
    zygote: Zygote,
    zygotes: ZygoteSupervisor,
    ended: (exit: Exit) => void,
  ) {
    this.id = id;
    this.zygote = zygote;
    this.ended = ended;
    this.#zygotes = zygotes;
  }

  get parent(): number {
    return this.#zygotes.parentOf(this.pid);
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.signal(SIGNALS[signal]);
  }

  signal(signal: number): void {
    this.#zygotes.signal(this.pid, signal);
  }
}

/** The events of its zygote, see {@linkcode SupervisorEvents}. */
type ForkSourceEvents = Pick<
  SupervisorEvents,
  "available" | "started" | "trouble" | "zygoteEnded"
>;

export class ForkSource implements WorkerSource {
  readonly #zygotes: ZygoteSupervisor;
  /** Those that are ready, by the number that each was launched with. */
  readonly #workers = new Map<number, ForkedWorker>();
  readonly #trouble: (what: string) => void;
  #launched = 0;

  constructor(
    child: ChildOptions,
    watcher: Watcher,
    events: ForkSourceEvents,
    system: ProcessSystem = SYSTEM,
  ) {
    this.#trouble = events.trouble;
    this.#zygotes = new ZygoteSupervisor(
      { child, zygotes: 1 },
      watcher,
      {
        childReport: (_, pid) => this.#zygotes.punish(pid), // workers have channels of their own
        report: (_, report) => this.#report(report),
        hasSaidAll: () => true,
        gone: () => {}, // a worker that was not forked is missed by the end of its channel
        available: events.available,
        started: events.started,
        zygoteEnded: events.zygoteEnded,
        trouble: events.trouble,
      },
      system,
    );
  }

  start(): Promise<void> {
    return this.#zygotes.start();
  }

  launch(ended: (exit: Exit) => void, rewinds: boolean): Launched | null {
    const id = ++this.#launched;
    const kind = rewinds ? "rewinder" : "worker";
    const handover = { kind, id, ...NOBODY } as const;
    const [channel, theirs] = socketPair();
    let zygote: Zygote | null = null;
    try {
      askCredentials(channel.number);
      zygote = this.#zygotes.send(handover, theirs.number);
    } finally {
      theirs.close();
      if (zygote === null) channel.close();
    }
    if (zygote === null) return null;
    const process = new ForkedWorker(id, zygote, this.#zygotes, ended);
    return { process, channel };
  }

  ready(worker: WorkerProcess, pid: number): boolean {
    const forked = worker as ForkedWorker;
    if (pid === 0 || this.#zygotes.has(pid)) return false;
    forked.pid = pid;
    this.#workers.set(forked.id, forked);
    this.#zygotes.born(forked.id, pid, forked.zygote);
    return true;
  }

  punish(worker: WorkerProcess, pid: number): void {
    worker.kill("SIGKILL");
    if (pid !== worker.pid) this.#zygotes.end(pid);
  }

  guard(_: WorkerProcess, listener: Fd): void {
    listener.close(); // the zygote's sandbox is theirs
  }

  processes(): Iterable<ProcessEntry> {
    return this.#zygotes.processes();
  }

  drain(): void {
    this.#zygotes.drain();
  }

  kill(): void {
    this.#zygotes.kill();
  }

  ended(): Promise<void> {
    return this.#zygotes.ended();
  }

  #report(report: Report): void {
    if (report.kind === "failed") {
      return this.#trouble(`Cannot fork a worker: ${report.outcome?.text}`);
    }
    const worker = report.kind === "exited"
      ? this.#workers.get(report.id)
      : undefined;
    if (!worker) return; // it ended before it was ready: the end of its channel tells
    this.#workers.delete(report.id);
    worker.ended(exitOf(report.status));
  }
}
