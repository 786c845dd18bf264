/**
 * What is done to the servers of a soak while they serve.
 *
 * @module
 */
import {
  type ProcessInfo,
  processInfo,
  signalNow,
} from "../helpers/processes.ts";
import type { TestServer } from "../helpers/server.ts";
import type { Ledger } from "./ledger.ts";
import { between, pick, pickWeighted, type Random } from "./random.ts";
import type { Stage } from "./stages.ts";

/** A kind of fault. */
export type FaultKind =
  /** SIGKILL of processes with or without a connection. */
  | "kill child"
  /** SIGSTOP of one, and SIGCONT a moment later. */
  | "stop child"
  /** SIGKILL of a zygote. */
  | "kill zygote"
  /** SIGSTOP of a zygote, for longer than the server looks on, or not. */
  | "stop zygote"
  /** Many connections at once. */
  | "burst";

const WEIGHTS: readonly (readonly [number, FaultKind])[] = [
  [6, "kill child"],
  [3, "stop child"],
  [1, "kill zygote"],
  [1, "stop zygote"],
  [1.5, "burst"],
];
/** Connections of a burst. */
const BURST = 200;
const ZYGOTE = "mpserv:zygote";
/** What a process is called that has not got to giving itself a name: its start would fail, and be told. */
const STARTING = "deno";

/** A server of a soak. */
export interface Running {
  /** What it is. */
  readonly stage: Stage;
  /** The server. */
  readonly server: TestServer;
  /** Its books. */
  readonly ledger: Ledger;
}

/** Injects faults. */
export class Faults {
  /** How often each was done. */
  readonly counts = new Map<FaultKind, number>();
  readonly #running: readonly Running[];
  readonly #random: Random;
  readonly #burst: (stage: number, count: number) => void;
  /** Processes that are stopped, each with what lets it go on. */
  readonly #stopped = new Set<Promise<void>>();

  /**
   * @param running The servers.
   * @param random Chooses.
   * @param burst Makes so many connections to a server at once.
   */
  constructor(
    running: readonly Running[],
    random: Random,
    burst: (stage: number, count: number) => void,
  ) {
    this.#running = running;
    this.#random = random;
    this.#burst = burst;
  }

  /** Injects one. */
  inject(): void {
    const kind = pickWeighted(this.#random, WEIGHTS);
    const able = this.#running.filter(({ stage }) =>
      stage.faults.includes(kind)
    );
    const victim = pick(this.#random, able);
    if (!victim || !this.#do(kind, victim)) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  /** Waits until nothing is stopped any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#stopped);
  }

  #do(kind: FaultKind, victim: Running): boolean {
    switch (kind) {
      case "kill child":
        return this.#strike(victim, false, "SIGKILL");
      case "kill zygote":
        return this.#strike(victim, true, "SIGKILL");
      case "stop child":
        return this.#strike(victim, false, "SIGSTOP", 1_500);
      case "stop zygote":
        return this.#strike(victim, true, "SIGSTOP", 8_000);
      case "burst":
        this.#burst(this.#running.indexOf(victim), BURST);
        return true;
    }
  }

  #strike(
    { server, ledger }: Running,
    zygote: boolean,
    signal: "SIGKILL" | "SIGSTOP",
    longest = 0,
  ): boolean {
    const victim = pick(
      this.#random,
      server.children().filter(({ comm, parent, state }) =>
        comm !== STARTING && state !== "Z" && state !== "T" &&
        // What a zygote forks to see whether it can has its name, and is no zygote.
        (zygote ? comm === ZYGOTE && parent === server.pid : comm !== ZYGOTE)
      ),
    );
    if (!victim || !isSame(victim)) return false;
    ledger.strike(victim.pid);
    signalNow(victim.pid, signal);
    if (signal === "SIGSTOP") {
      this.#goOnLater(victim, between(this.#random, 100, longest));
    }
    return true;
  }

  #goOnLater(victim: ProcessInfo, after: number): void {
    const going = new Promise<void>((resolve) => setTimeout(resolve, after))
      .then(() => {
        if (isSame(victim)) signalNow(victim.pid, "SIGCONT");
        this.#stopped.delete(going);
      });
    this.#stopped.add(going);
  }
}

/** A pid may have been used again since. */
function isSame({ pid, session }: ProcessInfo): boolean {
  return processInfo(pid)?.session === session;
}
