/**
 * Zygotes and children that the test plays: what their supervisor does is seen step by step.
 *
 * @module
 */
import type { ProcessSystem } from "../../src/model/children.ts";
import type { Zygote, ZygoteEvents } from "../../src/model/zygote.ts";
import { ZygoteSupervisor } from "../../src/model/zygote_supervisor.ts";
import { SIGNALS } from "../../src/posix/abi.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import {
  type Handover,
  NO_SECRET,
  type Report,
  STEPS,
} from "../../src/wire/records.ts";
import { exited, ready, step, took } from "../../src/wire/tell.ts";

/** How a child ends that is killed, as waitpid(2) says it. */
export const KILLED_STATUS = SIGNALS.SIGKILL;

/** How a played child serves. */
export const ECHO: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 0,
  firstByteTimeout: 0,
  grants: [],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};

/** A handover of a connection. */
export function handoverOf(id: number): Handover {
  const peer = new Uint8Array(0);
  return { kind: "connection", id, peer, secret: NO_SECRET };
}

/** A zygote as the test plays it. */
export class PlayedZygote implements Zygote {
  isReady = false;
  untaken = 0;
  handed = 0;
  batches = 0;
  reports = 0;
  isOpen = true;
  isGone = false;
  readonly end: string;
  readonly pid: number;
  readonly #events: ZygoteEvents;
  readonly #say: (...words: unknown[]) => void;
  /** Whether its channel takes what is handed to it. */
  hasRoom = true;
  /** The unread reports of it and its children. */
  readonly unread: (() => void)[] = [];

  constructor(
    pid: number,
    events: ZygoteEvents,
    say: (...words: unknown[]) => void,
  ) {
    this.pid = pid;
    this.end = `socket:[${pid}]`;
    this.#events = events;
    this.#say = say;
  }

  send({ id }: Handover): boolean {
    if (this.hasRoom) this.#say("send", id, "to", this.pid);
    return this.hasRoom;
  }

  readReports(): void {
    for (const read of this.unread.splice(0)) read();
  }

  readAll(): void {
    this.readReports();
  }

  hangUp(): void {
    this.#say("hang up", this.pid);
    this.isOpen = false;
  }

  kill(signal: string): void {
    this.#say("kill", this.pid, signal);
  }

  /** It says something on its channel. */
  says(report: Report): void {
    this.#events.report(this, report);
  }

  /** It can fork. */
  becomesReady(): this {
    this.says(ready());
    return this;
  }

  /** It reaped a child. */
  reaped(id: number, pid: number, status = 0): void {
    this.says(exited(id, pid, status));
  }

  /** One of its children says something. */
  childSays(pid: number, report: Report): void {
    this.#events.childReport(this, pid, report);
  }

  /** A child takes a connection. */
  childTakes(id: number, pid: number): void {
    this.childSays(pid, { ...took(handoverOf(id)) });
  }

  /** A process sends what is no report. */
  garbage(pid: number): void {
    this.#events.garbage(this, pid);
  }

  /** Its children cannot report any more. */
  falls(): void {
    this.isOpen = false;
    this.#events.silenced(this);
  }

  /** Its channel ends: nothing that was handed to it can be taken any more. */
  leaves(): void {
    this.isOpen = false;
    this.isGone = true;
    this.#events.gone(this);
  }

  /** Its process is reaped. */
  exits(code = 1, signal: Deno.Signal | null = null): void {
    this.isOpen = false;
    this.#events.exited(this, { success: code === 0, code, signal });
  }
}

/** A supervisor, the zygotes that it started, and what it did. */
export class ZygoteStage implements Disposable {
  readonly zygotes: PlayedZygote[] = [];
  readonly supervisor: ZygoteSupervisor;
  /** Whether a zygote can be started. */
  canStart = true;
  /** The processes below each process. */
  readonly children = new Map<number, number[]>();
  /** Those that have the end of a zygote's channel, each with it. */
  readonly ends = new Map<number, string>();
  /** The zygotes whose reports were all read. */
  readonly saidAll = new Set<number>();
  /** Processes that we adopted, and what is done when they are reaped. */
  readonly adopted = new Map<number, (status: number) => void>();
  /** Which of them the system does not know any more. */
  readonly lost = new Set<number>();
  /** The processes that are signalled as descendants of a child. */
  readonly strangers = new Set<number>();
  /** For how long each process has waited for a processor, in seconds. */
  readonly waits = new Map<number, number>();
  readonly #seen: string[] = [];
  readonly system: ProcessSystem;

  constructor(count = 1, child: Partial<ChildOptions> = {}) {
    const say = (...words: unknown[]) => void this.#seen.push(words.join(" "));
    this.system = {
      zygote: (_options, _watcher, events) => {
        if (!this.canStart) throw new Error("no room");
        const pid = 100 + this.zygotes.length;
        const zygote = new PlayedZygote(pid, events, say);
        this.zygotes.push(zygote);
        say("start", pid);
        return zygote;
      },
      open: (pid) => this.#open(pid, say),
      childrenOf: (pid) => this.children.get(pid) ?? [],
      isThere: () => true,
      processorWait: (pid) => this.waits.get(pid) ?? 0,
      isAdopted: (pid) => (this.children.get(Deno.pid) ?? []).includes(pid),
      hasDescriptor: (pid, file) => this.ends.get(pid) === file,
      findStarted: () => null,
      orphans: () => ({
        get size() {
          return 0;
        },
        adopt: (pid, ended) => {
          if (!this.adopted.has(pid)) say("adopt", pid);
          this.adopted.set(pid, ended);
        },
        sweep: () => {},
        settleLost: (isReady) => {
          for (const pid of this.lost) {
            if (!isReady(pid)) continue;
            this.lost.delete(pid);
            this.reap(pid, -1);
          }
        },
        close: () => say("close orphans"),
      }),
    };
    this.supervisor = new ZygoteSupervisor(
      { child: { ...ECHO, ...child }, zygotes: count },
      null as never,
      {
        childReport: (_, pid, { kind, id }) => say("child", pid, kind, id),
        report: (_, { kind, id }) => say("report", kind, id),
        started: (pid) => say("started", pid),
        zygoteEnded: (pid, { code, signal }) =>
          say("ended", pid, signal ?? code),
        hasSaidAll: (id) => this.saidAll.has(id),
        gone: ({ pid }) => say("gone", pid),
        available: () => say("available"),
        trouble: (what) => say("trouble", what),
      },
      this.system,
    );
  }

  #open(
    pid: number,
    say: (...words: unknown[]) => void,
  ): ReturnType<ProcessSystem["open"]> {
    const signal = (signal: number) => {
      const isThere = !this.strangers.has(pid);
      if (isThere) say("signal", pid, signal);
      return isThere;
    };
    return {
      pid,
      signal,
      signalGroup: (number) => signal(-number),
      close: () => {},
      [Symbol.dispose]: () => {},
    };
  }

  /** An adopted process is reaped. */
  reap(pid: number, status = 0): void {
    const ended = this.adopted.get(pid)!;
    this.adopted.delete(pid);
    ended(status);
  }

  /** Starts it, its first zygote ready. */
  async start(): Promise<PlayedZygote> {
    const started = this.supervisor.start();
    const zygote = this.zygotes[0]!.becomesReady();
    await started;
    zygote.says(step(STEPS.idle));
    this.news();
    return zygote;
  }

  /** Hands a connection over and has a child take it. */
  serve(zygote: PlayedZygote, id: number, pid: number): void {
    this.supervisor.send(handoverOf(id), 0);
    this.supervisor.born(id, pid, zygote);
  }

  /** The events and actions since the previous call. */
  news(): string[] {
    return this.#seen.splice(0);
  }

  [Symbol.dispose](): void {
    this.supervisor.drain();
    for (const zygote of this.zygotes) {
      if (!zygote.isGone) zygote.leaves();
      zygote.exits(0);
    }
    for (const pid of [...this.adopted.keys()]) this.reap(pid);
  }
}
