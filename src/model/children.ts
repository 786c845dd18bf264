/**
 * The children of zygotes that are known by their number: by what they were forked for, and by their pid.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { hasChild } from "../posix/forking.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { processStat } from "../posix/proc.ts";
import { isKeptForRuntime } from "./runtime.ts";
import type { Zygote } from "./zygote.ts";

/** How far up a process is looked for among our descendants. */
const GENERATIONS = 32;

/** A child of a zygote. */
export interface Child {
  /** What it was forked for: a connection's id, or a worker's. */
  readonly id: number;
  /** Where it came from. */
  readonly zygote: Zygote;
  /** Its process. */
  readonly process: ProcessHandle;
}

/** Children that have said who they are, and have not been reaped. */
export class Children {
  readonly #byId = new Map<number, Child>();
  readonly #byPid = new Map<number, Child>();

  /** How many there are. */
  get size(): number {
    return this.#byId.size;
  }

  /** All of them. */
  [Symbol.iterator](): Iterator<Child> {
    return this.#byId.values();
  }

  /**
   * Adds one that has just said who it is.
   *
   * @param pid Its process, by the kernel's word.
   */
  add(id: number, pid: number, zygote: Zygote): void {
    const process = new ProcessHandle(pid, (pid) => isOf(pid, zygote));
    const child = { id, zygote, process };
    this.#byId.set(id, child);
    this.#byPid.set(pid, child);
  }

  /**
   * Finds one.
   *
   * @returns The child; undefined when there is none.
   */
  of(pid: number): Child | undefined {
    return this.#byPid.get(pid);
  }

  /**
   * One has been reaped.
   *
   * @returns What it was; undefined when it never said who it is.
   */
  remove(id: number): Child | undefined {
    const child = this.#byId.get(id);
    if (!child) return undefined;
    this.#byId.delete(id);
    this.#byPid.delete(child.process.pid);
    child.process.close();
    return child;
  }

  /**
   * Ends a process that says what it must not, if it is one of our children or something that they started.
   *
   * @param pid Who said it, by the kernel's word.
   * @returns Whether it was there.
   */
  punish(pid: number): boolean {
    const child = this.#byPid.get(pid);
    if (child) return child.process.signal(SIGNALS.SIGKILL);
    using process = new ProcessHandle(pid, descendsFromUs);
    return process.signal(SIGNALS.SIGKILL);
  }
}

/**
 * Whether a process is a zygote's child, or one that we adopted from it.
 *
 * @returns Whether it is.
 */
export function isOf(pid: number, zygote: Zygote): boolean {
  const parent = processStat(pid)?.parent;
  return parent === zygote.pid || isAdopted(pid);
}

/**
 * Whether a process is a child of ours that we have not started ourselves: its zygote has gone, or whatever
 * else it came from.
 *
 * @returns Whether we reap it.
 */
export function isAdopted(pid: number): boolean {
  return hasChild(pid) && !isKeptForRuntime(pid);
}

/**
 * Whether a process is none of ours in another role, but was started by one of them, or by what that started.
 *
 * @returns Whether it is.
 */
export function descendsFromUs(pid: number): boolean {
  if (isKeptForRuntime(pid)) return false;
  for (let i = 0; i < GENERATIONS && pid > 1; i++) {
    const parent = processStat(pid)?.parent;
    if (parent === undefined) return false;
    if (parent === Deno.pid) return true;
    pid = parent;
  }
  return false;
}
