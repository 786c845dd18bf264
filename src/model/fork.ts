/**
 * `fork`: a copy of a warmed zygote a connection.
 *
 * A connection goes through: waiting → handed (a zygote has it) → taken (a child has it) → ended.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { STOP_SIGNAL } from "../posix/forking.ts";
import { processorWait, processStat } from "../posix/proc.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  newSecret,
  type Report,
  sameSecret,
  type When,
} from "../wire/records.ts";
import {
  type EndSignal,
  exitOf,
  exitOutcome,
  type Handoff,
  type ModelEvents,
  type ProcessEntry,
  type ProcessModel,
} from "./model.ts";
import type {
  SupervisorEvents,
  ZygoteSupervisor,
} from "./zygote_supervisor.ts";
import { Queue } from "./queue.ts";
import {
  everySecond,
  hasExited,
  MOST_SECONDS,
  Standstill,
  stuckIn,
} from "./supervision.ts";
import type { Zygote } from "./zygote.ts";

/** The zygotes, as the model has them. */
type Zygotes = Pick<ZygoteSupervisor, keyof ZygoteSupervisor>;

/** A connection on its way to a child. */
interface Handed {
  readonly handoff: Handoff;
  readonly zygote: Zygote;
  /** The secret that its child must send with each report. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** A connection that a child took. */
interface Taken {
  readonly pid: number;
  readonly secret: Uint8Array<ArrayBuffer>;
  /** Whether the child has said that it is done. */
  isDone: boolean;
}

/** Forks one process a connection. */
export class ForkModel implements ProcessModel {
  readonly name = "fork";
  readonly reusesProcesses = false;
  readonly rewinding = null;
  readonly #events: ModelEvents;
  readonly #zygotes: Zygotes;
  readonly #queue: Queue;
  /** Connections that a zygote has and no child has taken: the parent keeps its copy of them. */
  readonly #handed = new Map<number, Handed>();
  /** Connections that a child took which has not been reaped. */
  readonly #taken = new Map<number, Taken>();
  /** Children that are done and have not been reaped: each holds a place among the connections. */
  readonly #finished = new Standstill<number>(processorWait);
  #lookNoMore = () => {};
  readonly #isProgram: boolean;
  readonly #isHandler: boolean;
  #stopping = false;
  #retired = false;

  /** Makes one that serves so; `zygotes` makes its zygotes, which tell it. */
  constructor(
    { service }: Pick<ChildOptions, "service">,
    zygotes: (events: SupervisorEvents) => Zygotes,
    events: ModelEvents,
  ) {
    this.#events = events;
    this.#queue = new Queue(
      events,
      () => this.#dispatch(),
      "no process could be forked",
    );
    this.#isProgram = "program" in service;
    this.#isHandler = "module" in service;
    this.#zygotes = zygotes({
      childReport: (zygote, pid, report) =>
        this.#childReport(zygote, pid, report),
      report: (zygote, report) => this.#report(zygote, report),
      started: (pid, role) => events.started(pid, role),
      zygoteEnded: (pid, exit) => events.zygoteEnded(pid, exit),
      hasSaidAll: (id) => this.#taken.get(id)?.isDone === true,
      gone: (zygote) => this.#takeBack(zygote),
      available: () => this.#dispatch(),
      trouble: (what) => events.trouble(what),
    });
  }

  start(): Promise<void> {
    const started = this.#zygotes.start();
    this.#lookNoMore = everySecond(() => this.look());
    return started;
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
    if (signal === "stop") this.#tellToStop(pid);
    else this.#send(pid, signal);
    return signal !== "stop" || this.#isHandler;
  }

  askToStop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const { pid } of this.#taken.values()) this.#tellToStop(pid);
  }

  retire(): void {
    this.#retired = true;
    this.#dispatch();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.#queue.close("server is ending");
    for (const { pid } of this.#taken.values()) this.#send(pid, signal);
    if (signal === "SIGKILL") this.#zygotes.kill();
    this.#dispatch();
  }

  async ended(): Promise<void> {
    await this.#zygotes.ended();
    this.#lookNoMore();
  }

  *processes(): Iterable<ProcessEntry> {
    yield* this.#zygotes.processes();
    const role = "connection";
    for (const [connection, { zygote }] of this.#handed) {
      const parent = zygote.pid;
      yield { pid: 0, parent, role, state: "starting", connection };
    }
    for (const [id, { pid, isDone }] of this.#taken) {
      const parent = this.#zygotes.parentOf(pid);
      const state = isDone ? "finished" : "serving";
      yield { pid, parent, role, state, connection: isDone ? 0 : id };
    }
  }

  /** One that does not end is ended; for one that cannot be, its zygote, which should have reaped it. */
  look(): void {
    const done = [...this.#taken.values()].filter(({ isDone }) => isDone);
    const looks = this.#finished.look(done.map(({ pid }) => [pid, "finished"]));
    const most = MOST_SECONDS.finished;
    for (const [pid, seconds] of looks) {
      if (seconds > most && !processStat(pid)) continue; // it was reaped
      if (seconds === most) {
        if (hasExited(pid)) continue;
        this.#events.trouble(stuckIn(pid, "finished"));
        this.#send(pid, "SIGKILL");
      } else if (seconds === 2 * most) this.#zygotes.endZygoteOf(pid);
    }
  }

  /** Hands what waits to zygotes, as far as they can take it. */
  #dispatch(): void {
    for (let next; (next = this.#queue.next) && !this.#queue.isPausing;) {
      const { id, fd, sockaddr: peer } = next;
      try {
        const secret = newSecret();
        const handover = { kind: "connection", id, peer, secret } as const;
        const at = performance.now();
        const zygote = this.#zygotes.send(handover, fd.number);
        if (zygote === null) break;
        this.#handed.set(id, { handoff: next, zygote, secret });
        this.#queue.shift();
        this.#events.handed(id, zygote.pid, at);
      } catch (error) {
        const { message } = error as Error;
        this.#queue.pause(`Cannot hand over connection ${id}: ${message}`);
      }
    }
    if (this.#retired && this.#queue.size === 0 && this.#handed.size === 0) {
      this.#zygotes.drain();
    }
  }

  /** Accepts a report of a connection only from the child that was forked for it. */
  #childReport(zygote: Zygote, pid: number, report: Report): void {
    const { kind, id, outcome } = report;
    const handed = this.#handed.get(id), taken = this.#taken.get(id);
    const knows = (of?: { secret: Uint8Array<ArrayBuffer> }) =>
      of !== undefined && sameSecret(of.secret, report.secret);
    if (
      kind === "took" && knows(handed) && handed!.zygote === zygote &&
      !this.#zygotes.has(pid)
    ) {
      this.#took(handed!, pid, report);
    } else if (
      kind === "done" && knows(taken) && taken!.pid === pid &&
      !taken!.isDone && outcome
    ) {
      taken!.isDone = true;
      this.#events.done(id, outcome, report);
    } else this.#zygotes.punish(pid);
  }

  /** Of a zygote's reports, only those about its own connections count. */
  #report(zygote: Zygote, report: Report): void {
    const handed = this.#handed.get(report.id);
    const isIts = handed?.zygote === zygote;
    switch (report.kind) {
      case "took":
        if (isIts && !this.#zygotes.has(report.pid)) {
          this.#took(handed, report.pid, report);
        }
        return;
      case "exited":
        return this.#exited(report, isIts);
      case "failed":
        this.#queue.pause(`Cannot fork: ${report.outcome?.text}`);
        if (isIts) this.#untaken(report.id);
    }
  }

  #took({ handoff, zygote, secret }: Handed, pid: number, when?: When): void {
    const { id, fd } = handoff;
    this.#handed.delete(id);
    fd.close();
    this.#zygotes.born(id, pid, zygote);
    this.#taken.set(id, { pid, secret, isDone: false });
    this.#events.took(id, pid, when);
    if (this.#stopping) this.#tellToStop(pid);
    if (this.#queue.size > 0 || this.#retired) this.#dispatch();
  }

  /** Signals the process group, so that a program's children get it, too. */
  #send(pid: number, signal: keyof typeof SIGNALS): void {
    this.#zygotes.signal(pid, SIGNALS[signal], this.#isProgram);
  }

  /** Only a handler is prepared for the signal: it would end a program. */
  #tellToStop(pid: number): void {
    if (this.#isHandler) this.#zygotes.signal(pid, STOP_SIGNAL);
  }

  #exited(report: Report, wasHanded: boolean): void {
    const { pid, id, status } = report;
    const taken = this.#taken.get(id);
    this.#taken.delete(id);
    const exit = exitOf(status);
    if (wasHanded) this.#untaken(id);
    else if (taken && !taken.isDone) {
      this.#events.done(id, exitOutcome(exit, this.#isProgram), report);
    }
    this.#events.reaped(taken?.pid ?? pid, exit, report);
  }

  /** No child has it: it goes to another. */
  #untaken(id: number): void {
    const handed = this.#handed.get(id);
    if (!handed) return;
    this.#handed.delete(id);
    this.#queue.lost(handed.handoff);
    this.#dispatch();
  }

  #takeBack(zygote: Zygote): void {
    const back = [...this.#handed.values()].filter((handed) =>
      handed.zygote === zygote
    );
    for (const handed of back.reverse()) {
      const { handoff } = handed;
      const pid = this.#isProgram
        ? this.#zygotes.startedFor(handoff.fd.number, zygote)
        : null;
      if (pid !== null) {
        this.#took(handed, pid);
        continue;
      }
      this.#handed.delete(handoff.id);
      this.#events.returned(handoff.id);
      this.#queue.putBack(handoff);
    }
    this.#dispatch();
  }
}
