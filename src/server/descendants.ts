/**
 * Ends the descendants of a connection's process with it, wherever they are. Those that it left
 * behind when it exited are ended when the connection's time, or the server's, is over.
 *
 * @module
 */
import type { EndSignal, ProcessModel } from "../model/model.ts";
import { descendsFromUs } from "../model/children.ts";
import { isKeptForRuntime } from "../model/runtime_process.ts";
import { SIGNALS } from "../posix/abi.ts";
import { findDescent, type Root } from "../posix/descent.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { processStat } from "../posix/proc.ts";
import { Countdown } from "./countdown.ts";

/** How long a process has between SIGTERM and SIGKILL, in milliseconds. */
const GRACE = 2_000;
/** How often it is looked whether any is left, in milliseconds. */
const BEAT = 50;
/** While they are killed, processes may start others: so often it is looked again. */
const MOST_LOOKS = 100;

/** Looks after what connections' processes have started. */
export class Descendants {
  readonly #model: ProcessModel;
  readonly #isNeeded: boolean;
  readonly #grace = new Countdown<number>(
    GRACE,
    (id) => this.signal([{ id, pid: 0 }], "SIGKILL"),
  );

  constructor(model: ProcessModel, isNeeded = false) {
    this.#model = model;
    this.#isNeeded = isNeeded;
  }

  /** Ends a connection's process and its descendants. Returns whether that means anything to the process. */
  end(root: Root, signal: EndSignal): boolean {
    const end = () => this.#model.end(root.pid, signal);
    return signal === "stop" ? end() : this.signal([root], signal, end);
  }

  /**
   * Ends the processes of all connections and all their descendants.
   */
  endAll(roots: Iterable<Root>, signal: Exclude<EndSignal, "stop">): void {
    this.signal([...roots], signal, () => this.#model.kill(signal), true);
  }

  /** Sends what descends from processes a signal, once each. */
  signal<T = void>(
    roots: readonly Root[],
    signal: Exclude<EndSignal, "stop">,
    first?: () => T,
    all = false,
  ): T {
    const told = new Set<number>();
    let found = this.#find(roots, all);
    const result = first?.();
    const groups = new Set(roots.map(({ pid }) => pid)); // they have it already
    for (let looks = 1; found.size > 0 && looks < MOST_LOOKS; looks++) {
      for (const pid of found) {
        told.add(pid);
        const group = processStat(pid)?.group;
        if (signal === "SIGTERM" && group && groups.has(group)) continue;
        if (!group) continue;
        using process = new ProcessHandle(pid, descendsFromUs);
        process.signal(SIGNALS[signal]);
      }
      if (signal === "SIGTERM") break;
      found = this.#find(roots, all).difference(told);
    }
    return result as T;
  }

  /** Whether a connection that has ended left anything behind. */
  has(id: number): boolean {
    return this.#find([{ id, pid: 0 }], false).size > 0;
  }

  /** Ends the descendants of an ended connection. */
  expire(id: number): void {
    this.signal([{ id, pid: 0 }], "SIGTERM");
    this.insist(id);
  }

  /** Ends the rest of a connection that was told to end, after a while. */
  insist(id: number): void {
    if (this.has(id)) this.#grace.start(id);
  }

  /** Resolves when nothing is left of any connection. */
  async gone(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#find([], true).size > 0) {
      await new Promise((resolve) => setTimeout(resolve, BEAT));
    }
  }

  #find(roots: readonly Root[], all: boolean): Set<number> {
    if (!this.#isNeeded) return new Set();
    let serving: Set<number> | undefined;
    return findDescent(roots, (pid) => {
      if (isKeptForRuntime(pid)) return true;
      serving ??= new Set([...this.#model.processes()].map(({ pid }) => pid));
      return serving.has(pid);
    }, all);
  }
}
