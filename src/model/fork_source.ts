/**
 * Workers that are forked from a zygote.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import type { Report } from "../child/wire.ts";
import type { Fd } from "../posix/fd.ts";
import { decodeStatus, signalName } from "../posix/forking.ts";
import { signalProcess } from "../posix/process.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ProcessEntry } from "./census.ts";
import type { Exit } from "./model.ts";
import { Nursery } from "./nursery.ts";
import type { WorkerProcess, WorkerSource } from "./source.ts";
import type { Zygote } from "./zygote.ts";

const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const;
const NO_PEER = new Uint8Array(0);

class ForkedWorker implements WorkerProcess {
  pid = 0;
  readonly zygote: Zygote;
  readonly ended: (exit: Exit) => void;
  readonly #nursery: Nursery;

  constructor(zygote: Zygote, nursery: Nursery, ended: (exit: Exit) => void) {
    this.zygote = zygote;
    this.ended = ended;
    this.#nursery = nursery;
  }

  get parent(): number {
    return this.#nursery.parentOf(this.pid);
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    if (this.pid > 0) signalProcess(this.pid, SIGNALS[signal]);
  }
}

/** Forks each worker. */
export class ForkSource implements WorkerSource {
  readonly #nursery: Nursery;
  readonly #workers = new Map<number, ForkedWorker>();
  readonly #trouble: (what: string) => void;

  /**
   * Makes one.
   *
   * @param child How workers serve.
   * @param watcher Watches the zygote's sockets.
   * @param events `available`: workers can be launched (again); `trouble`: something went wrong.
   */
  constructor(
    child: ChildOptions,
    watcher: Watcher,
    events: { available: () => void; trouble: (what: string) => void },
  ) {
    this.#trouble = events.trouble;
    this.#nursery = new Nursery(
      { child, zygotes: 1 },
      watcher,
      {
        report: (_, __, report) => this.#report(report),
        gone: () => {}, // a worker that was not forked is missed by the end of its channel
        available: events.available,
        trouble: events.trouble,
      },
    );
  }

  start(): Promise<void> {
    return this.#nursery.start();
  }

  launch(channel: Fd, ended: (exit: Exit) => void): WorkerProcess | null {
    const handover = { kind: "worker", id: 0, peer: NO_PEER } as const;
    const zygote = this.#nursery.send(handover, channel.number);
    return zygote && new ForkedWorker(zygote, this.#nursery, ended);
  }

  ready(worker: WorkerProcess, pid: number): void {
    const forked = worker as ForkedWorker;
    forked.pid = pid;
    this.#workers.set(pid, forked);
    this.#nursery.born(pid, forked.zygote);
  }

  guard(_: WorkerProcess, listener: Fd): void {
    listener.close(); // the zygote's sandbox is theirs
  }

  processes(): Iterable<ProcessEntry> {
    return this.#nursery.processes();
  }

  drain(): void {
    this.#nursery.drain();
  }

  kill(): void {
    this.#nursery.kill();
  }

  ended(): Promise<void> {
    return this.#nursery.ended();
  }

  #report(report: Report): void {
    if (report.kind === "failed") {
      return this.#trouble(`Cannot fork a worker: ${report.outcome?.text}`);
    }
    const worker = report.kind === "exited"
      ? this.#workers.get(report.pid)
      : undefined;
    if (!worker) return; // it ended before it was ready: the end of its channel tells
    this.#workers.delete(report.pid);
    const { code, signal } = decodeStatus(report.status);
    worker.ended({ code, signal: signal === 0 ? null : signalName(signal) });
  }
}
