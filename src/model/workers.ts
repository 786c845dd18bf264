/**
 * `spawn` and `pool`: processes with a channel of their own, which serve one connection (`spawn`), or
 * one after another (`pool`).
 *
 * A worker goes through: starting → ready → handed → serving → ready again, or finished. `ready`,
 * `took` and `done` come as reports on its channel; the channel's end and the process's exit may come
 * in either order, and the worker is settled when both have.
 *
 * @module
 */
import {
  decodeReport,
  type Report,
  REPORT_SIZE,
  sameSecret,
} from "../child/wire.ts";
import { POLLIN } from "../posix/abi.ts";
import { MOST_QUEUED, receiveUntrusted } from "../posix/handover.ts";
import { shutdownBoth } from "../posix/sockets.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Backoff } from "./backoff.ts";
import type { ProcessEntry } from "./census.ts";
import { type EndSignal, type Exit, exitOutcome } from "./model.ts";
import type { Handoff, ModelEvents, ProcessModel } from "./model.ts";
import type { WorkerSource } from "./source.ts";
import { Progress } from "./progress.ts";
import { OUT_OF_TURN, Sparing } from "./sparing.ts";
import { StartError } from "./start_error.ts";
import { StuckWatch } from "./stuck.ts";
import { WaitingLine } from "./waiting.ts";
import {
  endWorker,
  entryOf,
  handTo,
  launchWorker,
  tellToStop,
  type Worker,
  type WorkerOptions,
} from "./worker.ts";

/** Starts workers, hands connections to them, replaces them. */
export class WorkerModel implements ProcessModel {
  readonly name: string;
  readonly reusesProcesses: boolean;
  readonly #options: WorkerOptions;
  readonly #source: WorkerSource;
  readonly #watcher: Watcher;
  readonly #events: ModelEvents;
  readonly #workers = new Set<Worker>();
  readonly #ready: Worker[] = [];
  readonly #waiting: WaitingLine;
  readonly #backoff = new Backoff(() => this.#dispatch());
  readonly #stuck: StuckWatch;
  readonly #progress = new Progress();
  readonly #liars: Sparing;
  // Starting a runtime is work for a core: more at once than this only makes each of them later.
  readonly #mostStarting = Math.max(2, 2 * navigator.hardwareConcurrency);
  #starting = 0;
  #stopping = false;
  #retired = false;
  #sourceDrained = false;

  /**
   * Makes one.
   *
   * @param options How it works.
   * @param source Where workers come from.
   * @param watcher Watches the channels.
   * @param events Is told what happens.
   */
  constructor(
    options: WorkerOptions,
    source: WorkerSource,
    watcher: Watcher,
    events: ModelEvents,
  ) {
    this.name = options.name;
    this.reusesProcesses = options.recycle > 1;
    this.#options = options;
    this.#source = source;
    this.#watcher = watcher;
    this.#events = events;
    this.#stuck = new StuckWatch(this.#workers, events);
    this.#liars = new Sparing((what) => events.trouble(what), OUT_OF_TURN);
    this.#waiting = new WaitingLine((id, why) => events.refused(id, why));
  }

  async start(): Promise<void> {
    await this.#source.start();
    if (this.#options.mustProve) {
      this.#startWorker();
      await this.#progress.wait().catch((error) => {
        this.retire(); // first, or others would be started
        this.kill("SIGKILL");
        throw error;
      });
    }
    this.#refill();
  }

  get #isStarting(): boolean {
    return this.#options.mustProve && !this.#progress.isOver;
  }

  /** Workers can be started (again). */
  resume(): void {
    this.#dispatch();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  serve(handoff: Handoff): void {
    this.#waiting.add(handoff);
    this.#dispatch();
  }

  withdraw(id: number, why: string): void {
    this.#waiting.withdraw(id, why);
    this.#dispatch();
  }

  end(pid: number, signal: EndSignal): boolean {
    for (const worker of this.#workers) {
      if (worker.process.pid === pid) endWorker(worker, signal, this.#options);
    }
    return signal !== "stop" || this.#options.isHandler;
  }

  askToStop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const worker of this.#workers) tellToStop(worker, this.#options);
  }

  retire(): void {
    this.#retired = true;
    this.#dispatch();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#waiting.refuseAll("server is ending");
    for (const worker of this.#workers) worker.process.kill(signal);
    if (signal === "SIGKILL") this.#source.kill();
    this.#dispatch();
  }

  ended(): Promise<void> {
    return this.#source.ended();
  }

  *processes(): Iterable<ProcessEntry> {
    yield* this.#source.processes();
    for (const worker of this.#workers) yield entryOf(worker);
  }

  /** Hands waiting connections to ready workers, then starts workers for what is left. */
  #dispatch(): void {
    while (
      this.#waiting.size > 0 && this.#ready.length > 0 &&
      !this.#backoff.isPausing
    ) {
      this.#hand(this.#ready.shift()!, this.#waiting.shift()!);
    }
    if (this.#retired && this.#waiting.size === 0) this.#letGo();
    else this.#refill();
  }

  /** Nobody is left to wait for: ready workers see the end of their channel and exit. */
  #letGo(): void {
    this.#backoff.stop();
    for (const worker of this.#ready.splice(0)) this.#hangUp(worker);
    const handed = [...this.#workers].some(({ state }) => state === "handed");
    if (handed || this.#starting > 0 || this.#sourceDrained) return;
    this.#sourceDrained = true;
    this.#stuck.close();
    this.#liars.close();
    this.#source.drain();
  }

  #hand(worker: Worker, handoff: Handoff): void {
    try {
      if (handTo(worker, handoff)) return;
    } catch (error) {
      const { message } = error as Error;
      this.#pause(`Cannot hand connection ${handoff.id} over: ${message}`);
    }
    worker.handoff = null;
    worker.state = "ready";
    this.#ready.push(worker);
    this.#waiting.putBack(handoff);
  }

  #refill(): void {
    const { spares, most } = this.#options;
    const wanted = this.#waiting.size + (this.#retired ? 0 : spares) -
      this.#ready.length;
    const starting = Math.min(wanted, this.#mostStarting);
    while (
      this.#starting < starting && this.#workers.size < most &&
      !this.#backoff.isPausing
    ) {
      try {
        if (!this.#startWorker()) return; // the source says when it can
      } catch (error) {
        this.#pause(
          `Cannot start a connection process: ${(error as Error).message}`,
        );
      }
    }
  }

  #startWorker(): boolean {
    const worker = launchWorker(
      this.#source,
      (worker, exit) => this.#exited(worker, exit),
    );
    if (!worker) return false;
    this.#workers.add(worker);
    this.#starting++;
    const { number } = worker.channel;
    this.#watcher.watch(number, POLLIN, () => this.#readReports(worker));
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
    const next = `${worker.state} ${report?.kind}`;
    const isHeard = report && report.id === worker.handoff?.id &&
      sameSecret(report.secret, worker.secret!);
    if (next === "starting step") {
      this.#progress.step(report!.outcome?.text ?? "");
    } else if (
      next === "starting ready" && this.#source.ready(worker.process, pid)
    ) {
      this.#progress.ready();
      this.#starting--;
      this.#backoff.reset();
      this.#isReady(worker);
    } else if (isHeard && next === "handed took") {
      worker.state = "serving";
      worker.handoff!.fd.close();
      this.#events.took(report.id, worker.process.pid);
      if (this.#stopping) tellToStop(worker, this.#options);
      if (this.#retired) this.#dispatch();
    } else if (isHeard && next === "serving done" && report.outcome) {
      worker.handoff = null;
      worker.state = "finished";
      this.#events.done(report.id, report.outcome);
      if (++worker.served < this.#options.recycle) this.#isReady(worker);
      else this.#hangUp(worker);
    } else if (next === "starting failed") {
      this.#cannotServe(StartError.of(report!));
      worker.process.kill("SIGKILL");
    } else {
      worker.isLiar = true;
      this.#liars.say(`Process ${pid} sent a report out of turn: it is ended`);
      this.#source.punish(worker.process, pid);
      // Nobody knows yet which one it is: it reads its end here.
      if (worker.process.pid === 0) shutdownBoth(worker.channel.number);
    }
  }

  /** Told by whoever starts us while that is under way, and else here. */
  #cannotServe(error: StartError): void {
    if (this.#isStarting) this.#progress.failed(error);
    else this.#events.trouble(error.message);
  }

  #endedEarly({ code, signal }: Exit): StartError {
    const how = signal ?? `exit code ${code}`;
    return this.#options.isHandler
      ? new StartError(`its process ended while it loaded: ${how}`, "handler")
      : new StartError(`a process ended before it was ready: ${how}`);
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
      // Whoever starts us tells, once it is known how it ended.
      if (!this.#isStarting && !this.#progress.hasFailed) {
        this.#pause("A connection process ended before it was ready");
      }
    }
    if (worker.state === "handed") {
      const handoff = worker.handoff!;
      worker.handoff = null;
      this.#waiting.lost(handoff);
    }
    if (["ready", "handed"].includes(worker.state)) worker.state = "finished";
    this.#dispatch();
  }

  #exited(worker: Worker, exit: Exit): void {
    this.#readReports(worker); // what it said before it went comes first
    this.#hangUp(worker);
    this.#workers.delete(worker);
    if (worker.state === "starting" && this.#isStarting) {
      this.#progress.failed(this.#endedEarly(exit));
    }
    if (worker.state === "serving") {
      this.#events.done(
        worker.handoff!.id,
        exitOutcome(exit, this.#options.isProgram),
      );
    }
    // Of one that could not serve at the start, whoever starts us tells.
    if (!this.#progress.hasFailed) {
      this.#events.reaped(worker.process.pid, exit);
    }
    if (worker.state !== "starting") this.#backoff.stop(); // what it held is free
    worker.state = "finished";
    this.#dispatch();
  }

  /** Waits a while before the next start; connections that have waited too long are refused. */
  #pause(why: string): void {
    if (this.#backoff.pause()) this.#events.trouble(why);
    this.#waiting.refuseOverdue("no process could be started");
  }
}
