/**
 * `fork`: a copy of a warmed zygote a connection.
 *
 * A connection goes through: waiting → handed (a zygote has it) → taken (a child has it) → ended.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import type { Report } from "../child/wire.ts";
import { decodeStatus, signalName, STOP_SIGNAL } from "../posix/forking.ts";
import { signalGroup, signalProcess } from "../posix/process.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Backoff } from "./backoff.ts";
import type { ProcessEntry } from "./census.ts";
import {
  type EndSignal,
  exitOutcome,
  type Handoff,
  type ModelEvents,
  type ProcessModel,
} from "./model.ts";
import { FinishedWatch } from "./finished.ts";
import { Nursery } from "./nursery.ts";
import { findStarted } from "./started.ts";
import { WaitingLine } from "./waiting.ts";
import type { Zygote } from "./zygote.ts";

const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const;

/** What a fork model needs. */
export interface ForkOptions {
  /** How children serve. */
  readonly child: ChildOptions;
  /** How many zygotes share the work. */
  readonly zygotes: number;
}

/** Forks one process a connection. */
export class ForkModel implements ProcessModel {
  readonly name = "fork";
  readonly reusesProcesses = false;
  readonly #events: ModelEvents;
  readonly #nursery: Nursery;
  readonly #waiting: WaitingLine;
  /** Connections that a zygote has and no child has taken: the parent keeps its copy of them. */
  readonly #handed = new Map<number, { handoff: Handoff; zygote: Zygote }>();
  /** Which connection each child took; null once it has said that it is done. */
  readonly #taken = new Map<number, number | null>();
  readonly #backoff = new Backoff(() => this.#dispatch());
  readonly #finished: FinishedWatch;
  readonly #isProgram: boolean;
  readonly #isHandler: boolean;
  #stopping = false;
  #retired = false;
  /** No connection is served any more that was not when the time was up. */
  #isOver = false;

  /**
   * Makes one.
   *
   * @param options What to start.
   * @param watcher Watches the zygotes' sockets.
   * @param events Is told what happens.
   */
  constructor(options: ForkOptions, watcher: Watcher, events: ModelEvents) {
    this.#events = events;
    this.#waiting = new WaitingLine((id, why) => events.refused(id, why));
    this.#isProgram = "program" in options.child.service;
    this.#isHandler = "module" in options.child.service;
    this.#nursery = new Nursery(options, watcher, {
      report: (zygote, pid, report) => this.#report(zygote, pid, report),
      gone: (zygote) => this.#takeBack(zygote),
      available: () => this.#dispatch(),
      trouble: (what) => events.trouble(what),
    });
    this.#finished = new FinishedWatch({
      finished: () => this.#finishedChildren(),
      end: (pid) => this.#send(pid, "SIGKILL"),
      endZygoteOf: (pid) => {
        const zygote = this.#nursery.parentOf(pid);
        if (zygote !== Deno.pid) signalProcess(zygote, SIGNALS.SIGKILL);
      },
      trouble: (what) => events.trouble(what),
    });
  }

  start(): Promise<void> {
    return this.#nursery.start();
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
    if (signal === "stop") this.#tellToStop(pid);
    else this.#send(pid, signal);
    return signal !== "stop" || this.#isHandler;
  }

  askToStop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const pid of this.#taken.keys()) this.#tellToStop(pid);
  }

  retire(): void {
    this.#retired = true;
    this.#dispatch();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#isOver = true;
    for (const pid of this.#taken.keys()) this.#send(pid, signal);
    if (signal === "SIGKILL") this.#nursery.kill();
    this.#dispatch();
  }

  async ended(): Promise<void> {
    await this.#nursery.ended();
    this.#finished.close();
  }

  *processes(): Iterable<ProcessEntry> {
    yield* this.#nursery.processes();
    const role = "connection";
    for (const [connection, { zygote }] of this.#handed) {
      const parent = zygote.pid;
      yield { pid: 0, parent, role, state: "starting", connection };
    }
    for (const [pid, connection] of this.#taken) {
      const parent = this.#nursery.parentOf(pid);
      const state = connection === null ? "finished" : "serving";
      yield { pid, parent, role, state, connection: connection ?? 0 };
    }
  }

  *#finishedChildren(): Iterable<number> {
    for (const [pid, id] of this.#taken) if (id === null) yield pid;
  }

  /** Hands what waits to zygotes, as far as they can take it. */
  #dispatch(): void {
    if (this.#isOver) this.#waiting.refuseAll("server is ending");
    for (let next; (next = this.#waiting.next) && !this.#backoff.isPausing;) {
      const { id, fd, peer } = next;
      try {
        const zygote = this.#nursery.send(
          { kind: "connection", id, peer },
          fd.number,
        );
        if (zygote === null) break;
        this.#handed.set(id, { handoff: next, zygote });
        this.#waiting.shift();
      } catch (error) {
        this.#pause(
          `Cannot hand connection ${id} over: ${(error as Error).message}`,
        );
      }
    }
    if (this.#retired && this.#waiting.size === 0 && this.#handed.size === 0) {
      this.#nursery.drain();
    }
  }

  #report(zygote: Zygote, pid: number, report: Report): void {
    switch (report.kind) {
      case "took":
        return this.#took(zygote, pid, report.id);
      case "done":
        if (this.#taken.get(pid) !== report.id || !report.outcome) {
          return this.#punish(pid);
        }
        this.#taken.set(pid, null);
        return this.#events.done(report.id, report.outcome);
      case "exited":
        return this.#exited(report);
      case "failed":
        this.#pause(`Cannot fork: ${report.outcome?.text}`);
        return this.#untaken(report.id);
      case "ready":
      case "step":
    }
  }

  #took(zygote: Zygote, pid: number, id: number): void {
    const handed = this.#handed.get(id);
    if (handed?.zygote !== zygote || this.#taken.has(pid)) {
      return this.#punish(pid);
    }
    this.#handed.delete(id);
    handed.handoff.fd.close();
    this.#nursery.born(pid, zygote);
    this.#taken.set(pid, id);
    this.#events.took(id, pid);
    if (this.#stopping) this.#tellToStop(pid);
    if (this.#waiting.size > 0 || this.#retired) this.#dispatch();
  }

  /** What a program started goes with it. */
  #send(pid: number, signal: keyof typeof SIGNALS): void {
    (this.#isProgram ? signalGroup : signalProcess)(pid, SIGNALS[signal]);
  }

  /** Only a handler is prepared for the signal: it would end a program. */
  #tellToStop(pid: number): void {
    if (this.#isHandler) signalProcess(pid, STOP_SIGNAL);
  }

  #exited({ pid, id, status }: Report): void {
    const taken = this.#taken.get(pid);
    this.#taken.delete(pid);
    const { code, signal } = decodeStatus(status);
    const exit = { code, signal: signal === 0 ? null : signalName(signal) };
    if (taken === undefined) this.#untaken(id);
    else if (taken !== null) {
      this.#events.done(taken, exitOutcome(exit, this.#isProgram));
    }
    this.#events.reaped(pid, exit);
  }

  /** No child has it: it goes to another. */
  #untaken(id: number): void {
    const handed = this.#handed.get(id);
    if (!handed) return;
    this.#handed.delete(id);
    this.#waiting.lost(handed.handoff);
    this.#dispatch();
  }

  #takeBack(zygote: Zygote): void {
    const back = [...this.#handed.values()].filter((handed) =>
      handed.zygote === zygote
    );
    for (const { handoff } of back.reverse()) {
      const pid = this.#isProgram
        ? findStarted(handoff.fd.number, [Deno.pid, zygote.pid])
        : null;
      if (pid !== null) {
        this.#took(zygote, pid, handoff.id);
        continue;
      }
      this.#handed.delete(handoff.id);
      this.#waiting.putBack(handoff);
    }
    this.#dispatch();
  }

  #punish(pid: number): void {
    this.#events.trouble(
      `Process ${pid} sent a report out of turn: it is ended`,
    );
    signalProcess(pid, SIGNALS.SIGKILL);
  }

  #pause(why: string): void {
    if (this.#backoff.pause()) this.#events.trouble(why);
    this.#waiting.refuseOverdue("no process could be forked");
  }
}
