/**
 * `spawn` and `pool`: processes with a channel of their own, which serve one connection (`spawn`), or one after
 * another (`pool`).
 *
 * A worker is starting → ready → handed → serving → ready again, or finished. Its reports come on its channel; it is
 * settled when the channel's end and its exit have come, in either order.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { MOST_QUEUED, receiveUntrusted } from "../posix/net/handover.ts";
import { shutdownBoth } from "../posix/net/sockets.ts";
import { processorWait } from "../posix/proc.ts";
import type { Watcher } from "../posix/watcher.ts";
import {
  decodeReport,
  type Outcome,
  type Report,
  REPORT_SIZE,
  type When,
} from "../wire/records.ts";
import {
  type EndSignal,
  type Exit,
  exitOutcome,
  type Handoff,
  type ModelEvents,
  type ProcessEntry,
  type ProcessModel,
  type Rewinding,
} from "./model.ts";
import { Queue } from "./queue.ts";
import { Starting } from "./starting.ts";
import {
  everySecond,
  hasExited,
  isPassing,
  MOST_SECONDS,
  OutOfTurn,
  Standstill,
  stuckIn,
} from "./supervision.ts";
import { Worker, type WorkerOptions, type WorkerSource } from "./worker.ts";

/** Starts workers, hands connections to them, replaces them. */
export class WorkerModel implements ProcessModel {
  readonly name: string;
  readonly reusesProcesses: boolean;
  readonly rewinding: Rewinding | null;
  readonly #options: WorkerOptions;
  readonly #source: WorkerSource;
  readonly #watcher: Pick<Watcher, "watch" | "unwatch">;
  readonly #events: ModelEvents;
  readonly #workers = new Set<Worker>();
  readonly #ready: Worker[] = [];
  readonly #queue: Queue;
  readonly #standstill = new Standstill<Worker>(({ process }) =>
    processorWait(process.pid)
  );
  #lookNoMore = () => {};
  readonly #outOfTurn: OutOfTurn;
  readonly #start: Starting;
  // Starting a runtime is work for a core: more at once than this only makes each of them later.
  readonly #mostStarting = Math.max(2, 2 * navigator.hardwareConcurrency);
  #starting = 0;
  #stopping = false;
  #retired = false;
  #sourceDrained = false;

  constructor(
    options: WorkerOptions,
    source: WorkerSource,
    watcher: Pick<Watcher, "watch" | "unwatch">,
    events: ModelEvents,
  ) {
    this.name = options.name;
    this.reusesProcesses = options.recycle !== 1;
    this.rewinding = options.rewinding ?? null;
    this.#options = options;
    this.#source = source;
    this.#watcher = watcher;
    this.#events = events;
    this.#outOfTurn = new OutOfTurn(events.trouble);
    this.#start = new Starting(options, source, {
      processes: () => this.processes(),
      trouble: (what) => events.trouble(what),
      next: () => void this.#startWorker(),
    });
    this.#queue = new Queue(
      events,
      () => this.#dispatch(),
      "no process could be started",
    );
  }

  async start(): Promise<void> {
    await this.#source.start();
    if (this.#start.mustProve) this.#startWorker();
    else this.#refill();
    this.#lookNoMore = everySecond(() => this.look());
    if (this.#start.mustProve) {
      await this.#start.wait().catch((error) => {
        this.retire(); // first, or others would be started
        this.kill("SIGKILL");
        throw error;
      });
    }
    this.#refill();
  }

  resume(): void {
    this.#dispatch();
  }

  get waiting(): number {
    return this.#queue.size;
  }

  serve(handoff: Handoff): void {
    this.#queue.add(handoff);
    this.#dispatch();
  }

  withdraw(id: number, why: string): void {
    this.#queue.withdraw(id, why);
    this.#dispatch();
  }

  end(pid: number, signal: EndSignal): boolean {
    for (const worker of this.#workers) {
      if (worker.process.pid === pid) worker.end(signal);
    }
    return signal !== "stop" || this.#options.isHandler;
  }

  askToStop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const worker of this.#workers) worker.tellToStop();
  }

  retire(): void {
    this.#retired = true;
    this.#dispatch();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#queue.close("server is ending");
    for (const worker of this.#workers) worker.process.kill(signal);
    if (signal === "SIGKILL") this.#source.kill();
    this.#dispatch();
  }

  ended(): Promise<void> {
    return this.#source.ended();
  }

  *processes(): Iterable<ProcessEntry> {
    yield* this.#source.processes();
    for (const worker of this.#workers) yield worker.entry;
  }

  /** Gives waiting connections to ready workers, then starts workers for the rest. */
  #dispatch(): void {
    while (
      this.#queue.size > 0 && this.#ready.length > 0 &&
      !this.#queue.isPausing
    ) {
      this.#hand(this.#ready.shift()!, this.#queue.shift()!);
    }
    if (this.#retired && this.#queue.size === 0) this.#letGo();
    else this.#refill();
  }

  /** No worker has a connection any more: ready workers see the end of their channel and exit. */
  #letGo(): void {
    this.#queue.goOn();
    for (const worker of this.#ready.splice(0)) this.#hangUp(worker);
    const handed = [...this.#workers].some(({ state }) => state === "handed");
    if (handed || this.#starting > 0 || this.#sourceDrained) return;
    this.#sourceDrained = true;
    this.#lookNoMore();
    this.#outOfTurn.close();
    this.#source.drain();
  }

  #hand(worker: Worker, handoff: Handoff): void {
    const { pid } = worker.process, at = performance.now();
    try {
      if (worker.hand(handoff)) {
        return this.#events.handed(handoff.id, pid, at);
      }
    } catch (error) {
      const { message } = error as Error;
      this.#queue.pause(
        `Cannot hand over connection ${handoff.id}: ${message}`,
      );
    }
    worker.handoff = null;
    worker.state = "ready";
    this.#ready.push(worker);
    this.#queue.putBack(handoff);
  }

  #refill(): void {
    // The caller of `start` waits for the first worker, and fails with it.
    if (this.#start.isFirst || this.#start.hasFailed) return;
    const { spares, most } = this.#options;
    // The other workers start after the first one is ready: they would delay it.
    const isFirst = !this.#start.isOver;
    const ahead = isFirst && spares > 0 ? +(this.#queue.size === 0) : spares;
    const wanted = this.#queue.size + (this.#retired ? 0 : ahead);
    const starting = Math.min(wanted - this.#ready.length, this.#mostStarting);
    while (
      this.#starting < starting && this.#workers.size < most &&
      !this.#queue.isPausing
    ) {
      try {
        if (!this.#startWorker()) return; // the source says when it can
      } catch (error) {
        const { message } = error as Error;
        this.#queue.pause(`Cannot start a connection process: ${message}`);
      }
    }
  }

  #startWorker(): boolean {
    const worker = Worker.launch(
      this.#source,
      this.#options,
      (worker, exit) => this.#exited(worker, exit),
      this.rewinding?.isOn === true,
    );
    if (!worker) return false;
    this.#workers.add(worker);
    this.#starting++;
    const { number } = worker.channel;
    this.#watcher.watch(number, abi.POLLIN, () => this.#readReports(worker));
    return true;
  }

  #readReports(worker: Worker): void {
    for (let i = 0; i < MOST_QUEUED && worker.channel.isOpen; i++) {
      const { number } = worker.channel;
      const received = receiveUntrusted(number, REPORT_SIZE);
      if (received === null) return;
      if (received === "end") return this.#hangUp(worker);
      const { data, fd, pid } = received;
      if (fd) this.#source.guard(worker.process, fd);
      if (!worker.isLiar) this.#report(worker, pid, decodeReport(data));
    }
  }

  #report(worker: Worker, pid: number, report: Report | null): void {
    if (report && this.#follow(worker, pid, report)) return;
    worker.isLiar = true;
    this.#outOfTurn.say(pid);
    this.#source.punish(worker.process, pid);
    // Its id is not known yet: it reads its end here.
    if (worker.process.pid === 0) shutdownBoth(worker.channel.number);
  }

  /** Takes a worker to the state that it reports; false where that does not follow from the one it is in. */
  #follow(worker: Worker, pid: number, report: Report): boolean {
    switch (report.kind) {
      case "step":
        return worker.state === "starting" &&
          this.#start.step(worker, pid, report);
      case "ready":
        return worker.state === "starting" &&
          this.#start.ready(worker, pid) && this.#hasStarted(worker);
      case "failed":
        return worker.state === "starting" &&
          this.#start.failed(worker, report);
      case "took":
        return worker.state === "handed" && worker.isAbout(report) &&
          this.#took(worker, report);
      case "done":
        return worker.state === "serving" && worker.isAbout(report) &&
          report.outcome !== null && this.#done(worker, report.outcome, report);
      case "exited":
        return false; // that is a zygote's to say
    }
  }

  /** Starting → ready. */
  #hasStarted(worker: Worker): true {
    this.#starting--;
    this.#queue.worked();
    this.#events.started(worker.process.pid, "connection");
    this.#isReady(worker);
    return true;
  }

  /** Handed → serving. */
  #took(worker: Worker, when: When): true {
    const { id, fd } = worker.handoff!;
    worker.state = "serving";
    fd.close();
    this.#events.took(id, worker.process.pid, when);
    if (this.#stopping) worker.tellToStop();
    if (this.#retired) this.#dispatch();
    return true;
  }

  /** Serving → ready, or finished. */
  #done(worker: Worker, outcome: Outcome, report: Report): true {
    const { id } = worker.handoff!;
    worker.handoff = null;
    worker.state = "finished";
    this.#events.done(id, outcome, report);
    const isFit = !worker.rewinds ||
      this.rewinding!.isFit(report.status);
    if (++worker.served < worker.most && isFit && !worker.isSpent) {
      this.#isReady(worker);
    } else this.#hangUp(worker);
    return true;
  }

  /** Looks once for workers that are stuck. What one was handed goes to another when it has ended. */
  look(): void {
    const passing = [...this.#workers].filter(({ state }) => isPassing(state));
    const looks = this.#standstill.look(
      passing.map((worker) => [worker, worker.handoff ?? worker.state]),
    );
    for (const [{ state, process, channel }, seconds] of looks) {
      if (!isPassing(state) || seconds !== MOST_SECONDS[state]) continue;
      if (state === "finished" && hasExited(process.pid)) continue;
      this.#events.trouble(stuckIn(process.pid, state));
      if (process.pid > 0) process.kill("SIGKILL");
      else shutdownBoth(channel.number); // its id is not known yet: it reads its end here
    }
  }

  #isReady(worker: Worker): void {
    worker.state = "ready";
    this.#ready.push(worker);
    this.#dispatch();
  }

  /** The channel has ended, or the worker is wanted no more. What it never took goes to another. */
  #hangUp(worker: Worker): void {
    if (!worker.channel.isOpen) return;
    this.#watcher.unwatch(worker.channel.number);
    worker.channel.close();
    const ready = this.#ready.indexOf(worker);
    if (ready >= 0) this.#ready.splice(ready, 1);
    if (worker.state === "starting") {
      this.#starting--;
      this.#workers.delete(worker);
      if (worker.process.pid === 0) this.#start.ended(worker, null);
      // The caller of `start` reports it, once the end is known.
      if (!this.#start.isFirst && !this.#start.hasFailed) {
        this.#queue.pause("A connection process exited before it was ready");
      }
    }
    if (worker.state === "handed") {
      const handoff = worker.handoff!;
      worker.handoff = null;
      this.#queue.lost(handoff);
    }
    if (["ready", "handed"].includes(worker.state)) worker.state = "finished";
    this.#dispatch();
  }

  #exited(worker: Worker, exit: Exit): void {
    this.#readReports(worker); // its earlier reports come first
    if (worker.state === "starting") this.#start.ended(worker, exit);
    this.#hangUp(worker);
    this.#workers.delete(worker);
    if (worker.state === "serving") {
      const outcome = exitOutcome(exit, this.#options.isProgram);
      this.#events.done(worker.handoff!.id, outcome);
    }
    // At the start, the caller of `start` reports the failure.
    if (!this.#start.hasFailed) {
      this.#events.reaped(worker.process.pid, exit);
    }
    if (worker.state !== "starting") this.#queue.goOn(); // its connection is free
    worker.state = "finished";
    this.#dispatch();
  }
}
