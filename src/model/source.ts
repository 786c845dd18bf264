/**
 * Where workers come from: processes with a channel of their own.
 *
 * @module
 */
import { type ChildOptions, encodeOptions } from "../child/options.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { signalGroup } from "../posix/process.ts";
import type { ProcessEntry } from "./census.ts";
import { childCommand } from "./flags.ts";
import type { Exit } from "./model.ts";
import { Orphans } from "./orphans.ts";
import { startRuntime } from "./runtime.ts";

const SIGNALS = { SIGTERM: 15, SIGKILL: 9 } as const;

/** A worker that was started. */
export interface WorkerProcess {
  /** Its process id; 0 until it has said that it is ready, where it was forked. */
  readonly pid: number;
  /** The process that it came from, or that adopted it. */
  readonly parent: number;
  /**
   * Sends it a signal; does nothing when it has ended.
   *
   * @param signal Which.
   */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
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
   * @param channel The worker's end of its channel, borrowed.
   * @param ended Is told when the process was reaped.
   * @returns The worker; null when none can be started at this moment.
   * @throws {Error} When the system refuses.
   */
  launch(channel: Fd, ended: (exit: Exit) => void): WorkerProcess | null;
  /**
   * A worker said that it is ready.
   *
   * @param worker Which.
   * @param pid Its process id, as it says.
   */
  ready(worker: WorkerProcess, pid: number): void;
  /** The processes that workers come from, where they are forked. */
  processes(): Iterable<ProcessEntry>;
  /** Wants no more workers. */
  drain(): void;
  /** Resolves when every process of the source has been reaped; call after {@linkcode drain}. */
  ended(): Promise<void>;
}

/** Starts each worker as a Deno process. */
export class SpawnSource implements WorkerSource {
  readonly #options: ChildOptions;
  readonly #running = new Set<Deno.ChildProcess>();
  readonly #ended = Promise.withResolvers<void>();
  #orphans: Orphans | undefined;
  #draining = false;

  /**
   * Makes one.
   *
   * @param options How workers serve.
   */
  constructor(options: ChildOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    // As the first process of a container it inherits what programs leave behind; elsewhere init does.
    if (Deno.pid === 1) this.#orphans = new Orphans(() => false);
    return Promise.resolve();
  }

  launch(channel: Fd, ended: (exit: Exit) => void): WorkerProcess {
    const args = [String(channel.number), encodeOptions(this.#options)];
    const line = childCommand(args, this.#options);
    // Only this child inherits the end: nothing else can be started before the caller closes it.
    setInherit(channel.number, true);
    const process = startRuntime(line, this.#options);
    this.#running.add(process);
    process.status.then(({ code, signal }) => {
      this.#running.delete(process);
      ended({ code, signal });
      this.#settle();
    });
    const kill = (signal: keyof typeof SIGNALS) => {
      // It leads a group: what a program or handler started goes with it.
      if (this.#running.has(process)) signalGroup(process.pid, SIGNALS[signal]);
    };
    return { pid: process.pid, parent: Deno.pid, kill };
  }

  ready(): void {}

  processes(): Iterable<ProcessEntry> {
    return [];
  }

  drain(): void {
    this.#draining = true;
    this.#settle();
  }

  ended(): Promise<void> {
    return this.#ended.promise;
  }

  #settle(): void {
    if (!this.#draining || this.#running.size > 0) return;
    this.#orphans?.close();
    this.#ended.resolve();
  }
}
