/**
 * The zygotes of one server: started, chosen from, replaced when one dies. The children of a zygote
 * that died live on; they are adopted.
 *
 * @module
 */
import type { ChildOptions } from "../child/options.ts";
import type { Handover, Report } from "../child/wire.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Backoff } from "./backoff.ts";
import { signalProcess } from "../posix/process.ts";
import { Orphans } from "./orphans.ts";
import { Progress } from "./progress.ts";
import { StartError } from "./start_error.ts";
import type { ProcessEntry } from "./census.ts";
import { leastBusy, Zygote } from "./zygote.ts";
import { isSpokenFor, ZygoteWatch } from "./zygote_watch.ts";

const SIGKILL = 9;
/** Descriptors that one zygote may have waiting, so that a dead one costs little and none starves. */
const MOST_UNTAKEN = 64;
/** How long zygotes have to reap what was killed, in milliseconds. */
const LAST_REPORTS = 500;

/** What a nursery tells. */
export interface NurseryEvents {
  /** A child's own report, or `exited` or `failed` for one; the sender was checked. */
  report(zygote: Zygote, pid: number, report: Report): void;
  /** What was handed to this zygote and not taken must go to another. */
  gone(zygote: Zygote): void;
  /** Descriptors can be handed over (again). */
  available(): void;
  /** Something went wrong that a person should know. */
  trouble(what: string): void;
}

/** Zygotes, ready to fork. */
export class Nursery {
  readonly #options: ChildOptions;
  /** How many there are to be: one, until it has proven that this system can fork. */
  #wanted = 1;
  readonly #count: number;
  readonly #watcher: Watcher;
  readonly #events: NurseryEvents;
  readonly #zygotes = new Set<Zygote>();
  /** Which zygote each living child came from. */
  readonly #living = new Map<number, Zygote>();
  readonly #orphans: Orphans;
  readonly #backoff: Backoff;
  readonly #ended = Promise.withResolvers<void>();
  readonly #progress = new Progress();
  readonly #watch: ZygoteWatch;
  #isProven = false;
  /** No zygote is started any more. */
  #isLast = false;
  /** No descriptor is handed over any more. */
  #draining = false;

  /**
   * Makes one.
   *
   * @param options How children serve, and how many zygotes share the work.
   * @param watcher Watches their sockets.
   * @param events Is told what happens.
   */
  constructor(
    options: { child: ChildOptions; zygotes: number },
    watcher: Watcher,
    events: NurseryEvents,
  ) {
    this.#options = options.child;
    this.#count = options.zygotes;
    this.#watcher = watcher;
    this.#events = events;
    this.#orphans = new Orphans((pid) => this.#living.has(pid));
    this.#backoff = new Backoff(() => this.#refill());
    this.#watch = new ZygoteWatch(this.#zygotes, {
      isBorn: (pid) => this.#living.has(pid),
      trouble: events.trouble,
    }, isSpokenFor(options.child));
  }

  /**
   * Starts the zygotes.
   *
   * @returns Resolves when the first has proven that it can fork.
   * @throws {StartError} When it cannot; the message says why.
   */
  async start(): Promise<void> {
    this.#refill();
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
   * Hands a descriptor to the zygote that has least to do.
   *
   * @param handover What it is.
   * @param fd The descriptor, borrowed.
   * @returns The zygote that has it; null when none can take it at this moment.
   * @throws {PosixError} When the system refuses.
   */
  send(handover: Handover, fd: number): Zygote | null {
    const best = leastBusy(this.#zygotes, MOST_UNTAKEN);
    if (best === null || !best.send(handover, fd)) return null;
    best.handed++;
    if (best.untaken++ === 0) best.spells++;
    return best;
  }

  /**
   * A child took what was handed over.
   *
   * @param pid The child.
   * @param zygote Where it came from.
   */
  born(pid: number, zygote: Zygote): void {
    zygote.untaken--;
    this.#living.set(pid, zygote);
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

  /**
   * Which process a living child belongs to.
   *
   * @param pid The child.
   * @returns The zygote's process id; this process's, which adopts it, when the zygote has gone.
   */
  parentOf(pid: number): number {
    const zygote = this.#living.get(pid);
    return zygote && this.#zygotes.has(zygote) ? zygote.pid : Deno.pid;
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
    const timer = setTimeout(() => {
      for (const zygote of this.#zygotes) this.#watch.end(zygote);
    }, LAST_REPORTS);
    Deno.unrefTimer(timer);
  }

  /** Resolves when every process has been reaped; call after {@linkcode drain}. */
  ended(): Promise<void> {
    this.#settle();
    return this.#ended.promise;
  }

  #refill(): void {
    while (
      !this.#isLast && !this.#backoff.isPausing &&
      this.#zygotes.size < this.#wanted
    ) {
      try {
        this.#zygotes.add(
          new Zygote(this.#options, this.#watcher, {
            report: (zygote, pid, report) => this.#report(zygote, pid, report),
            garbage: (_, pid) => this.#punish(pid),
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

  /** Checks who says it: a child speaks for itself, a zygote for all of its children. */
  #report(zygote: Zygote, pid: number, report: Report): void {
    const own = report.kind === "took" || report.kind === "done";
    const isStarted = report.kind === "took" && report.pid !== 0; // a program, for which its zygote speaks
    if ((own && !isStarted) === (pid === zygote.pid)) return this.#punish(pid);
    zygote.reports++;
    if (report.kind === "ready") {
      zygote.isReady = true;
      this.#backoff.reset();
      this.#progress.ready();
      this.#wanted = this.#count;
      this.#refill();
      this.#events.available();
    } else if (report.kind === "step") {
      this.#progress.step(report.outcome?.text ?? "");
    } else if (report.kind === "failed" && !zygote.isReady) {
      const error = StartError.of(report);
      this.#progress.failed(error);
      if (this.#isProven) this.#events.trouble(error.message);
    } else {
      if (report.kind === "failed") zygote.untaken--;
      if (report.kind === "exited" && !this.#living.delete(report.pid)) {
        zygote.untaken--;
      }
      this.#events.report(zygote, isStarted ? report.pid : pid, report);
      if (report.kind === "exited") this.#settle();
    }
  }

  #punish(pid: number): void {
    const what = `Process ${pid} sent a report out of turn: it is ended`;
    this.#events.trouble(what);
    signalProcess(pid, SIGKILL);
  }

  /** Nothing that was handed to it can be taken any more. */
  #gone(zygote: Zygote): void {
    this.#events.gone(zygote); // it may find a program that nobody told of
    this.#adopt(zygote);
  }

  /** The children of a zygote that died are ours to reap. */
  #adopt(zygote: Zygote): void {
    for (const [pid, from] of this.#living) {
      if (from !== zygote) continue;
      this.#orphans.adopt(pid, (status) => {
        zygote.readReports(); // what it said before it went comes first
        this.#living.delete(pid);
        const kind = "exited";
        const report: Report = { kind, id: 0, pid, outcome: null, status };
        this.#events.report(zygote, pid, report);
        this.#settle();
      });
    }
    this.#orphans.sweep();
    this.#orphans.settleLost((pid) => {
      const from = this.#living.get(pid);
      return from !== undefined && !this.#zygotes.has(from);
    });
  }

  #exited(zygote: Zygote, { code, signal }: Deno.CommandStatus): void {
    zygote.readReports();
    this.#zygotes.delete(zygote);
    this.#adopt(zygote);
    if (!this.#isLast) {
      this.#progress.failed(
        new StartError(`Cannot fork: the zygote ended (${signal ?? code})`),
      );
      const what = `Zygote ${zygote.pid} ended (${
        signal ?? `code ${code}`
      }): another one takes over`;
      // One that had proven itself is replaced at once; one that never did, after a pause, unless it is
      // the first: then whoever starts us tells.
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
    if (!this.#draining || this.#zygotes.size > 0 || this.#living.size > 0) {
      return;
    }
    this.#watch.close();
    this.#orphans.close();
    this.#ended.resolve();
  }
}
