/**
 * Where workers come from: processes with a channel of their own.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { Orphans } from "./children.ts";
import type { Exit, ProcessEntry } from "./model.ts";
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
  /** Its process. */
  readonly process: WorkerProcess;
  /** The parent's end of its channel, which brings credentials; the caller's to close. */
  readonly channel: Fd;
}

/** Starts workers. */
export interface WorkerSource {
  /**
   * Readies the source.
   *
   * @returns Resolves when workers can be started.
   * @throws {Error} When this system cannot; the message says why.
   */
  start(): Promise<void>;
  /**
   * Starts a worker.
   *
   * @returns The worker; null when none can be started at this moment.
   * @throws {Error} When the system refuses.
   */
  launch(ended: (exit: Exit) => void): Launched | null;
  /**
   * A worker said that it is ready.
   *
   * @param pid Its process id, by the kernel's word.
   * @returns Whether it is one that can be believed.
   */
  ready(worker: WorkerProcess, pid: number): boolean;
  /**
   * A worker sent what it must not: it is ended.
   *
   * @param pid Who sent it, by the kernel's word: it may be something that the worker started.
   */
  punish(worker: WorkerProcess, pid: number): void;
  /**
   * A worker handed its sandbox over, to be listened to.
   *
   * @param listener What came; the source's to close.
   */
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

  start(): Promise<void> {
    // What workers leave behind is to be found, and the first process of a container inherits it anyway.
    if (Deno.pid === 1 || this.#options.isMarked) {
      this.#orphans = new Orphans(() => false);
    }
    return Promise.resolve();
  }

  launch(ended: (exit: Exit) => void): Launched {
    const { process, channel } = earlySpawned.take(this.#options);
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
      // It leads a group: what a program or handler started goes with it.
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
