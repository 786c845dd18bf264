/**
 * The zygotes of one server: started, chosen from, replaced when one dies. The children of a dead zygote continue;
 * the server adopts them.
 *
 * @module
 */
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { type Handover, type Report, STEPS } from "../wire/records.ts";
import { exited } from "../wire/tell.ts";
import {
  Children,
  isSpokenFor,
  type ProcessSystem,
  SYSTEM,
  ZygoteWatch,
} from "./children.ts";
import { type Exit, type ProcessEntry, StartError } from "./model.ts";
import { Backoff, OutOfTurn, Progress } from "./supervision.ts";
import type { Zygote } from "./zygote.ts";

/** Descriptors that one zygote may have waiting, so that a dead one costs little and none starves. */
const MOST_UNTAKEN = 64;
/** The time for zygotes to reap killed children, in milliseconds. */
const LAST_REPORTS = 500;

export interface SupervisorEvents {
  /** A child's own `took` or `done`: `pid` is the sender, by the kernel's word; its secret was not checked. */
  childReport(zygote: Zygote, pid: number, report: Report): void;
  /** `took` of a program, `exited` or `failed`, from the zygote; or `exited` of a child that we adopted. */
  report(zygote: Zygote, report: Report): void;
  /** A zygote can fork. */
  started(pid: number, role: "zygote"): void;
  zygoteEnded(pid: number, exit: Exit): void;
  /** Whether no more reports of its connections can come. */
  hasSaidAll(id: number): boolean;
  /** The zygote is gone: its connections that no child has taken must go to another one. */
  gone(zygote: Zygote): void;
  /** Descriptors can be handed over (again). */
  available(): void;
  /** Something went wrong that a person should know. */
  trouble(what: string): void;
}

/** Zygotes, ready to fork. */
export class ZygoteSupervisor {
  readonly #options: ChildOptions;
  /** How many there are to be: one, until it has proven that this system can fork, and has time. */
  #wanted = 1;
  readonly #count: number;
  readonly #watcher: Watcher;
  readonly #events: SupervisorEvents;
  readonly #zygotes = new Set<Zygote>();
  readonly #children: Children;
  /** Reaped zygotes of which a child may still take a connection. */
  readonly #late = new Set<Zygote>();
  readonly #outOfTurn: OutOfTurn;
  readonly #system: ProcessSystem;
  readonly #orphans: ReturnType<ProcessSystem["orphans"]>;
  readonly #backoff: Backoff;
  readonly #ended = Promise.withResolvers<void>();
  readonly #progress = new Progress(() => this.processes());
  readonly #watch: ZygoteWatch;
  #isProven = false;
  /** No zygote is started any more. */
  #isLast = false;
  /** No descriptor is handed over any more. */
  #draining = false;
  #killing: ReturnType<typeof setTimeout> | undefined;

  constructor(
    options: { child: ChildOptions; zygotes: number },
    watcher: Watcher,
    events: SupervisorEvents,
    system: ProcessSystem = SYSTEM,
  ) {
    this.#system = system;
    this.#children = new Children(system);
    this.#options = options.child;
    this.#count = options.zygotes;
    this.#watcher = watcher;
    this.#events = events;
    this.#outOfTurn = new OutOfTurn(events.trouble);
    const isBorn = (pid: number) => this.has(pid);
    this.#orphans = system.orphans(isBorn);
    this.#backoff = new Backoff(() => this.#refill());
    this.#watch = new ZygoteWatch(
      this.#zygotes,
      this.#late,
      { isBorn, trouble: events.trouble },
      isSpokenFor(options.child),
      system,
    );
  }

  /**
   * Starts the zygotes. Resolves when the first has proven that it can fork. Throws `StartError` when it cannot; the
   * message says why.
   */
  async start(): Promise<void> {
    this.#refill();
    this.#watch.begin();
    try {
      await this.#progress.wait();
      this.#isProven = true;
    } catch (error) {
      this.#draining = this.#isLast = true;
      for (const zygote of this.#zygotes) {
        zygote.hangUp();
        zygote.kill("SIGKILL");
      }
      await this.ended();
      throw error;
    }
  }

  /**
   * Hands a descriptor to the zygote that has least to do. `fd`: the descriptor, borrowed. Returns the zygote that
   * has it; null when none can take it at this moment. Throws `PosixError` when the system refuses.
   */
  send(handover: Handover, fd: number): Zygote | null {
    const best = leastBusy(this.#zygotes, MOST_UNTAKEN);
    if (best === null || !best.send(handover, fd)) return null;
    best.handed++;
    if (best.untaken++ === 0) best.batches++;
    return best;
  }

  /** A child took its connection. `pid`: the child, by the kernel's word. */
  born(id: number, pid: number, zygote: Zygote): void {
    zygote.untaken--;
    this.#children.add(id, pid, zygote);
    // A worker's own channel may tell it after its zygote was reaped. Later, as it may itself have ended.
    if (!this.#zygotes.has(zygote)) queueMicrotask(() => this.#adopt(zygote));
  }

  /** The zygotes, as a person is shown them. */
  *processes(): Iterable<ProcessEntry> {
    for (const { pid, isReady } of this.#zygotes) {
      const state = isReady ? "ready" : "starting";
      yield { pid, parent: Deno.pid, role: "zygote", state, connection: 0 };
    }
  }

  /** Which process a living child belongs to. */
  parentOf(pid: number): number {
    const zygote = this.#children.of(pid)?.zygote;
    return zygote && this.#zygotes.has(zygote) ? zygote.pid : Deno.pid;
  }

  /** The program that a zygote started for a connection and died before reporting it; null if there is none. */
  startedFor(fd: number, zygote: Zygote): number | null {
    return this.#system.findStarted(fd, [Deno.pid, zygote.pid]);
  }

  /** Whether a process is one of the children. Returns true from {@linkcode born} until it was reaped. */
  has(pid: number): boolean {
    return this.#children.of(pid) !== undefined;
  }

  /** Sends a child a signal, and no other process. */
  signal(pid: number, signal: number, group = false): void {
    const process = this.#children.of(pid)?.process;
    if (group) process?.signalGroup(signal);
    else process?.signal(signal);
  }

  /**
   * Kills a process that sent an unexpected report. `pid`: who, by the kernel's word; left alone unless it is a
   * child, or was started by one.
   */
  punish(pid: number): void {
    this.#outOfTurn.say(pid, this.end(pid));
  }

  /** As {@linkcode punish}, without a word. Returns whether it was there. */
  end(pid: number): boolean {
    return this.#children.punish(pid);
  }

  /** Ends the zygote that should have reaped a child. */
  endZygoteOf(pid: number): void {
    this.#children.of(pid)?.zygote.kill("SIGKILL");
  }

  /** Wants no more children. */
  drain(): void {
    this.#draining = this.#isLast = true;
    this.#backoff.stop();
    for (const zygote of this.#zygotes) zygote.hangUp();
    this.#settle();
  }

  /**
   * Kills the zygotes, after a moment in which they can reap the children that were just killed and say
   * how they ended; those of a zygote that does not are adopted. No other takes over.
   */
  kill(): void {
    this.#isLast = true;
    this.#backoff.stop();
    this.#killing = setTimeout(() => {
      for (const zygote of [...this.#zygotes, ...this.#late]) {
        this.#watch.end(zygote);
      }
    }, LAST_REPORTS);
    Deno.unrefTimer(this.#killing);
  }

  /** Resolves when every process has been reaped; call after {@linkcode drain}. */
  ended(): Promise<void> {
    this.#settle();
    return this.#ended.promise;
  }

  #refill(): void {
    while (
      !this.#isLast && !this.#backoff.isPausing &&
      this.#working() < this.#wanted
    ) {
      try {
        this.#zygotes.add(
          this.#system.zygote(this.#options, this.#watcher, {
            childReport: (zygote, pid, report) =>
              this.#childReport(zygote, pid, report),
            report: (zygote, report) => this.#report(zygote, report),
            garbage: (zygote, pid) => this.#garbage(zygote, pid),
            silenced: (zygote) => this.#silenced(zygote),
            trouble: (what) => this.#events.trouble(what),
            gone: (zygote) => this.#gone(zygote),
            exited: (zygote, status) => this.#exited(zygote, status),
          }),
        );
      } catch (error) {
        this.#pause(`Cannot start a zygote: ${(error as Error).message}`);
      }
    }
  }

  /** Those that fork; one that was told to stop still reaps. */
  #working(): number {
    return [...this.#zygotes].filter(({ isOpen }) => isOpen).length;
  }

  /** A child speaks for itself, and of nothing but its connection. */
  #childReport(zygote: Zygote, pid: number, report: Report): void {
    zygote.reports++;
    const isOwn = report.kind === "took" || report.kind === "done";
    if (isOwn && pid > 0) this.#events.childReport(zygote, pid, report);
    else this.punish(pid);
  }

  /** A zygote speaks for itself, and for children that cannot. */
  #report(zygote: Zygote, report: Report): void {
    zygote.reports++;
    switch (report.kind) {
      case "ready":
        zygote.isReady = true;
        this.#backoff.reset();
        this.#progress.ready();
        this.#refill();
        this.#events.started(zygote.pid, "zygote");
        return this.#events.available();
      case "done":
        return this.#garbage(zygote, zygote.pid);
      case "step":
        if (report.outcome?.text === STEPS.idle) this.#grow();
        return this.#progress.step(report.outcome?.text ?? "");
      case "failed":
        if (zygote.isReady) break;
        return this.#cannotFork(StartError.of(report));
      case "took":
        break;
      case "exited": // a child's reports come before its end
        if (!this.#events.hasSaidAll(report.id)) zygote.readReports();
    }
    this.#pass(zygote, report);
  }

  /** Counts a report and passes it on: only here is it known which zygote forked the child, and whether it took. */
  #pass(zygote: Zygote, report: Report): void {
    const isOver = report.kind === "exited";
    const wasBorn = isOver && this.#children.remove(report.id) !== undefined;
    if (report.kind === "failed" || isOver && !wasBorn) zygote.untaken--;
    this.#events.report(zygote, report);
    if (isOver) this.#settle();
  }

  /** The others start when the first has time: until then all processors are wanted for the first clients. */
  #grow(): void {
    this.#wanted = this.#count;
    this.#refill();
  }

  #cannotFork(error: StartError): void {
    this.#progress.failed(error);
    if (this.#isProven) this.#events.trouble(error.message);
  }

  /** Only the zygote itself has its channel; who says so on the other socket may not be believed. */
  #garbage(zygote: Zygote, pid: number): void {
    this.punish(pid);
    if (pid === zygote.pid) zygote.kill("SIGKILL");
  }

  #silenced(zygote: Zygote): void {
    const what = `Children of zygote ${zygote.pid} cannot report any more`;
    this.#events.trouble(`${what}: replacing the zygote`);
    this.#refill();
  }

  /** Nothing that was handed to it can be taken any more. */
  #gone(zygote: Zygote): void {
    this.#late.delete(zygote);
    this.#events.gone(zygote); // it may find an unreported program
    this.#adopt(zygote);
    this.#settle();
  }

  /** The children of a zygote that died are ours to reap. */
  #adopt(zygote: Zygote): void {
    for (const { id, process: { pid }, zygote: from } of this.#children) {
      if (from !== zygote) continue;
      this.#orphans.adopt(pid, (status) => {
        zygote.readReports(); // its earlier reports come first
        this.#pass(zygote, exited(id, pid, status));
      });
    }
    this.#orphans.sweep();
    this.#orphans.settleLost((pid) => {
      const from = this.#children.of(pid)?.zygote;
      return from !== undefined && !this.#zygotes.has(from);
    });
  }

  #exited(zygote: Zygote, { code, signal }: Deno.CommandStatus): void {
    zygote.readAll();
    this.#events.zygoteEnded(zygote.pid, { code, signal });
    this.#zygotes.delete(zygote);
    if (!zygote.isGone) this.#late.add(zygote);
    this.#adopt(zygote);
    if (!this.#isLast) {
      this.#progress.failed(
        new StartError(`Cannot fork: the zygote ended (${signal ?? code})`),
      );
      const what = `Zygote ${zygote.pid} ended (${
        signal ?? `code ${code}`
      }): replacing it`;
      // One that had proven itself is replaced at once; one that never did, after a pause, unless it is
      // the first: then the caller of `start` reports it.
      if (zygote.isReady) {
        this.#events.trouble(what);
        this.#refill();
      } else if (this.#isProven) this.#pause(what);
    }
    this.#settle();
  }

  #pause(why: string): void {
    if (this.#backoff.pause()) this.#events.trouble(why);
  }

  #settle(): void {
    if (!this.#draining || this.#zygotes.size > 0 || this.#children.size > 0) {
      return;
    }
    if (this.#late.size > 0) return;
    clearTimeout(this.#killing);
    this.#watch.close();
    this.#outOfTurn.close();
    this.#orphans.close();
    this.#ended.resolve();
  }
}

/** The zygote that has least to do. Returns one that is ready; null when none can take a descriptor at this moment. */
function leastBusy(
  zygotes: Iterable<Zygote>,
  most: number,
): Zygote | null {
  let best: Zygote | null = null;
  for (const zygote of zygotes) {
    if (!zygote.isReady || !zygote.isOpen || zygote.untaken >= most) continue;
    if (best === null || hasLessToDo(zygote, best)) best = zygote;
  }
  return best;
}

/** Fewer that wait for it; of equals, the one that was given fewer, so that they take turns. */
function hasLessToDo(zygote: Zygote, than: Zygote): boolean {
  if (zygote.untaken !== than.untaken) return zygote.untaken < than.untaken;
  return zygote.handed < than.handed;
}
