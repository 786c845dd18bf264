/**
 * One process with a channel of its own, as the parent knows it, and where such processes come from.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import { STOP_SIGNAL } from "../posix/forking.ts";
import { sendFd } from "../posix/net/handover.ts";
import { processStat, TICKS } from "../posix/proc.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import {
  encodeHandover,
  newSecret,
  type Report,
  sameSecret,
} from "../wire/records.ts";
import { Orphans } from "./children.ts";
import type {
  EndSignal,
  Exit,
  Handoff,
  ProcessEntry,
  ProcessState,
  Rewinding,
} from "./model.ts";
import { earlySpawned, type RuntimeProcess } from "./runtime_process.ts";
import { guard } from "./strict_guard.ts";

/** A worker that was started. */
export interface WorkerProcess {
  /** Its process id; 0 until it has said that it is ready, where it was forked. */
  readonly pid: number;
  /** The process that it came from, or that adopted it. */
  readonly parent: number;
  /** Sends it a signal; does nothing when it has ended. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Sends a signal to it alone; does nothing when it has ended. */
  signal(signal: number): void;
}

/** A worker that was just started. */
export interface Launched {
  readonly process: WorkerProcess;
  /** The parent's end of its channel, which brings credentials; the caller's to close. */
  readonly channel: Fd;
}

export interface WorkerSource {
  /**
   * Readies the source. Resolves when workers can be started. Throws `Error` when this system cannot; the message
   * says why.
   */
  start(): Promise<void>;
  /**
   * Starts a worker. `rewinds`: whether it is to rewind its memory; only one that is forked can. Returns the worker;
   * null when none can be started at this moment. Throws `Error` when the system refuses.
   */
  launch(ended: (exit: Exit) => void, rewinds: boolean): Launched | null;
  /**
   * A worker said that it is ready. `pid`: its process id, by the kernel's word. Returns whether it is one that can
   * be believed.
   */
  ready(worker: WorkerProcess, pid: number): boolean;
  /**
   * A worker sent an unexpected report: it is killed. `pid`: who sent it, by the kernel's word: it may be something
   * that the worker started.
   */
  punish(worker: WorkerProcess, pid: number): void;
  /** A worker handed its sandbox over, to be listened to. `listener`: what came; the source's to close. */
  guard(worker: WorkerProcess, listener: Fd): void;
  /** The processes that workers come from, where they are forked. */
  processes(): Iterable<ProcessEntry>;
  /** Wants no more workers. */
  drain(): void;
  /** Ends what workers come from, if it does not end by itself now that they have been killed. */
  kill(): void;
  /** Resolves when every process of the source has been reaped; call after {@linkcode drain}. */
  ended(): Promise<void>;
}

/** Starts each worker as a Deno process. */
export class SpawnSource implements WorkerSource {
  readonly #options: ChildOptions;
  readonly #watcher: Watcher;
  readonly #trouble: (what: string) => void;
  /** Those whose sandbox is not listened to yet. */
  readonly #unguarded = new Set<WorkerProcess>();
  /** Those that load their code. */
  readonly #loading = new Set<WorkerProcess>();
  readonly #running = new Set<RuntimeProcess>();
  readonly #ended = Promise.withResolvers<void>();
  #orphans: Orphans | undefined;
  #own: ((pid: number) => Pick<ChildOptions, "filter">) | undefined;
  #draining = false;

  constructor(
    options: ChildOptions,
    watcher: Watcher,
    trouble: (what: string) => void,
  ) {
    this.#options = options;
    this.#watcher = watcher;
    this.#trouble = trouble;
  }

  async start(): Promise<void> {
    this.#own = await prepareFilter(this.#options);
    // The server must find orphans of workers; as process 1 of a container it inherits them anyway.
    if (Deno.pid === 1 || this.#options.isMarked) {
      this.#orphans = new Orphans(() => false);
    }
  }

  launch(ended: (exit: Exit) => void): Launched {
    const { process, channel } = earlySpawned.take(this.#options, this.#own);
    this.#running.add(process);
    void process.status.then(({ code, signal }) => {
      this.#running.delete(process);
      this.#unguarded.delete(worker);
      this.#loading.delete(worker);
      this.#orphans?.sweep(); // it may have hidden others, as the runtime had not reaped it yet
      ended({ code, signal });
      this.#settle();
    });
    const kill = (signal: keyof typeof SIGNALS) => {
      // It leads a group, so the signal reaches what a program or handler started, too.
      process.handle.signalGroup(SIGNALS[signal]);
    };
    const signal = (number: number) => void process.handle.signal(number);
    const worker = { pid: process.pid, parent: Deno.pid, kill, signal };
    if (this.#options.sandbox.level === "strict") {
      this.#unguarded.add(worker);
      this.#loading.add(worker);
    }
    return { process: worker, channel };
  }

  ready(worker: WorkerProcess): boolean {
    this.#loading.delete(worker);
    return true;
  }

  punish(worker: WorkerProcess): void {
    worker.kill("SIGKILL");
  }

  guard(worker: WorkerProcess, listener: Fd): void {
    // Once each, before it has met a stranger: later it could send anything.
    if (!this.#unguarded.delete(worker)) return listener.close();
    guard(listener, this.#watcher, this.#trouble, () => ({
      pid: worker.pid,
      isReady: !this.#loading.has(worker),
      isZygote: false,
    }));
  }

  processes(): Iterable<ProcessEntry> {
    return [];
  }

  drain(): void {
    this.#draining = true;
    this.#settle();
  }

  kill(): void {} // this process is what they come from

  ended(): Promise<void> {
    return this.#ended.promise;
  }

  #settle(): void {
    if (!this.#draining || this.#running.size > 0) return;
    this.#orphans?.close();
    this.#ended.resolve();
  }
}

/** Makes the filter of processes' system calls once, and not in each of them. */
async function prepareFilter(
  options: ChildOptions,
): Promise<((pid: number) => Pick<ChildOptions, "filter">) | undefined> {
  const { level, isWanted, hasFilters } = options.sandbox;
  if (level === "off" || !hasFilters) return undefined;
  const { filterFor, makeFilter } = await import("../sandbox/policies.ts");
  const isStrict = level === "strict" && isWanted;
  const filter = makeFilter(options, isStrict, false);
  return (pid) => ({ filter: filterFor(pid, filter).toBase64() });
}

export interface WorkerOptions {
  /** Its name, as it is typed. */
  readonly name: string;
  /** How many workers wait ahead of connections, at least. */
  readonly spares: number;
  /** How many workers there are at most; Infinity for one a connection. */
  readonly most: number;
  /** How many connections a worker serves before it is replaced; Infinity for no end; undefined for what is usual. */
  readonly recycle: number | undefined;
  /** What a handler was granted. */
  readonly grants: readonly string[];
  /** Whether workers rewind their memory; undefined where they cannot be asked to. */
  readonly rewinding?: Rewinding | undefined;
  /** Whether a first worker must be ready before the model has started. */
  readonly mustProve: boolean;
  /** Whether a worker becomes a program, whose exit says how its connection ended. */
  readonly isProgram: boolean;
  /** Whether a handler serves, which can be told that the server drains. */
  readonly isHandler: boolean;
  /** How much processor time a worker may use, in seconds; undefined for as much as it likes. */
  readonly processorTime?: number | undefined;
}

/** A worker, from its start to its end. */
export class Worker {
  readonly process: WorkerProcess;
  /** The parent's end; closed at its end of file. */
  readonly channel: Fd;
  /** It rewinds its memory, or is to. */
  readonly rewinds: boolean;
  state: ProcessState = "starting";
  /** The connection it was handed; null between connections. */
  handoff: Handoff | null = null;
  /** How many connections it has served; Infinity when it is to serve no more. */
  served = 0;
  /** It sent an unexpected report: it is being killed, and its further reports are ignored. */
  isLiar = false;
  readonly #options: WorkerOptions;
  /** The secret that its process must send with reports of its connection. */
  #secret: Uint8Array<ArrayBuffer> | null = null;

  private constructor(
    { process, channel }: Launched,
    rewinds: boolean,
    options: WorkerOptions,
  ) {
    this.process = process;
    this.channel = channel;
    this.rewinds = rewinds;
    this.#options = options;
  }

  /** Starts one; null when none can be started at this moment. Throws `Error` when the system refuses. */
  static launch(
    source: WorkerSource,
    options: WorkerOptions,
    exited: (worker: Worker, exit: Exit) => void,
    rewinds: boolean,
  ): Worker | null {
    const launched = source.launch((exit) => exited(worker, exit), rewinds);
    if (launched === null) return null;
    const worker = new Worker(launched, rewinds, options);
    return worker;
  }

  /**
   * Hands it a connection, when it is ready. Returns whether that is on its way: also when the worker has just gone,
   * whose end of file, which gives the connection to another, is on its way, too. Throws `PosixError` when the system
   * refuses, such as ETOOMANYREFS.
   */
  hand(handoff: Handoff): boolean {
    const { id, fd, sockaddr: peer } = handoff;
    this.handoff = handoff;
    this.state = "handed";
    try {
      const secret = this.#secret = newSecret();
      const record = encodeHandover({ kind: "connection", id, peer, secret });
      return sendFd(this.channel.number, record, fd.number);
    } catch (error) {
      const gone = error instanceof PosixError &&
        ["EPIPE", "ECONNRESET"].includes(error.code);
      if (!gone) throw error;
      return true;
    }
  }

  /** Whether a report is about the connection that it was handed, by the secret that came with it. */
  isAbout(report: Report): boolean {
    return report.id === this.handoff?.id &&
      sameSecret(report.secret, this.#secret!);
  }

  /** Lets a handler see that it is to stop. Nothing else is prepared for the signal: it would end a program. */
  tellToStop(): void {
    if (!this.#options.isHandler || this.state !== "serving") return;
    this.process.signal(STOP_SIGNAL);
  }

  /** Asks or makes it end, if it serves; it serves no other connection afterwards. */
  end(signal: EndSignal): void {
    if (this.state !== "serving") return;
    this.served = Infinity;
    if (signal === "stop") this.tellToStop();
    else this.process.kill(signal);
  }

  /** After how many connections it is replaced. */
  get most(): number {
    return this.#options.recycle ?? (this.rewinds ? Infinity : RECYCLE);
  }

  /** Whether half of its processor time is gone: its connections used that, and the next one is to have its own. */
  get isSpent(): boolean {
    const { processorTime } = this.#options;
    if (processorTime === undefined) return false;
    const ticks = processStat(this.process.pid)?.ticks ?? 0;
    return ticks / TICKS > processorTime / 2;
  }

  /** It as a line of the process table. */
  get entry(): ProcessEntry {
    const { state, process: { pid, parent } } = this;
    const connection = this.handoff?.id ?? 0;
    return { pid, parent, role: "connection", state, connection };
  }
}

/** After how many connections a worker is replaced that does not rewind. */
const RECYCLE = 1_000;
