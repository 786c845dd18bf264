/**
 * The parent: it accepts, hands over, and counts; it never touches a byte of a connection.
 *
 * @module
 */
import { descendsFromUs } from "../model/children.ts";
import type { ChosenModel } from "../model/choose.ts";
import type {
  EndSignal,
  ModelEvents,
  ProcessEntry,
  ProcessModel,
} from "../model/model.ts";
import { isKeptForRuntime } from "../model/runtime_process.ts";
import { Sparing } from "../model/supervision.ts";
import { findDescent, type Root } from "../posix/descent.ts";
import { SIGNALS } from "../posix/abi.ts";
import type { PosixError } from "../posix/errno.ts";
import { processStat } from "../posix/proc.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { descriptorLimit } from "../posix/process.ts";
import { refuseNewcomers } from "../posix/seccomp/filter.ts";
import { Watcher } from "../posix/watcher.ts";
import type { Reason } from "../wire/records.ts";
import { Acceptor, finishHandshakes } from "./acceptor.ts";
import { Connections } from "./connections.ts";
import { Countdown, within } from "./countdown.ts";
import {
  Audience,
  type ConnectionInfo,
  type ServerReceiver,
  Totals,
  type TotalsSnapshot,
} from "./events.ts";
import { Gate, type GateOptions } from "./gate.ts";
import type { Listener } from "./listener.ts";

/** How long processes have between SIGTERM and SIGKILL when their time is up, in milliseconds. */
const LAST_WORDS = 2_000;

export interface ServerOptions {
  /** The listening socket, borrowed: closed when it drains. */
  readonly listener: Listener;
  /** Starts the process model. */
  readonly model: (
    watcher: Watcher,
    events: ModelEvents,
  ) => Promise<ChosenModel>;
  /** The limits: serve, wait or refuse. */
  readonly gate: GateOptions;
  /** How long connections may go on after a drain has begun, in milliseconds. */
  readonly drainTimeout: number;
  /** How long one connection may be served, in milliseconds; undefined for no limit. */
  readonly maxLifetime?: number | undefined;
  /** Whether what connections' processes start is ended with them; left out where they start nothing. */
  readonly endsDescent?: boolean | undefined;
  /** Are told what happens, in this order. */
  readonly receivers: readonly ServerReceiver[];
}

interface Parts {
  readonly options: ServerOptions;
  readonly chosen: ChosenModel;
  readonly audience: Audience;
  readonly watcher: Watcher;
  /** Resolves when the watcher has stopped. */
  readonly watching: Promise<void>;
  readonly totals: Totals;
  readonly connections: Connections;
  readonly descendants: Descendants;
  readonly gate: Gate;
  readonly acceptor: Acceptor;
}

/**
 * Readies a server and its processes. Clients may connect before: they wait in the backlog. Throws `Error` when the
 * model cannot run here; the message says why.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const totals = new Totals();
  const audience = new Audience([totals, ...options.receivers]);
  const { events } = audience;
  const failures = new Sparing(
    (what) => events.trouble(what),
    "Unexpected errors",
  );
  const watcher = new Watcher((error) =>
    failures.say(`Unexpected error: ${describe(error)}`)
  );
  const watching = watcher.run().finally(() => failures.close());
  // From here on each calls those that are made after it, once there is something to call them for.
  const connections = new Connections(events, {
    serve: (connection) => model.serve(connection),
    withdraw: (id, why) => model.withdraw(id, why),
    end: (connection, signal) => descendants.end(connection, signal),
    reusesProcesses: () => model.reusesProcesses,
    hasDescendants: (id) => descendants.has(id),
    endDescendants: (id, when) =>
      when === "now" ? descendants.expire(id) : descendants.insist(id),
    release: (ticket) => gate.release(ticket),
  }, options.maxLifetime);
  const gate = new Gate(
    options.gate,
    watcher,
    connections,
    () => acceptor.resume(),
  );
  // Connections beyond it stay in the backlog: each costs a descriptor, which starting processes need.
  const mostWaiting = Math.min(
    1024,
    Math.max(2, Math.floor(descriptorLimit() / 16)),
  );
  const acceptor = new Acceptor(options.listener.fd, watcher, {
    hasRoom: () =>
      connections.waiting + model.waiting < mostWaiting && gate.hasRoom(),
    makeRoom: () => gate.makeRoom(),
    accepted: (accepted) => gate.arrived(connections.arrive(accepted)),
    refused: (error: PosixError) =>
      events.trouble(`Cannot accept: ${error.message}`),
  });
  const chosen = await options.model(watcher, {
    handed: (id, pid, at) => connections.handed(id, pid, at),
    returned: (id) => connections.returned(id),
    took: (id, pid, when) => {
      connections.took(id, pid, when);
      acceptor.resume();
    },
    done: (id, outcome, when) => connections.done(id, outcome, when),
    refused: (id, why) => {
      connections.refuse(id, why);
      acceptor.resume();
    },
    started: (pid, role) => events.started(pid, role),
    zygoteEnded: (pid, exit) => events.zygoteEnded(pid, exit),
    reaped: (pid, exit, when) => {
      events.removed(pid, exit, when);
      connections.reaped(pid);
    },
    rewound: (why) => events.rewound(why),
    trouble: (what) => events.trouble(what),
    changed: (what) => events.changed(what),
  }).catch((error) => {
    watcher.stop();
    throw error;
  });
  const { model } = chosen;
  const descendants = new Descendants(model, options.endsDescent);
  return new Server({
    options,
    chosen,
    audience,
    watcher,
    watching,
    totals,
    connections,
    descendants,
    gate,
    acceptor,
  });
}

/** A server from its first connection to its last. */
export class Server {
  readonly #parts: Parts;
  #draining: Promise<void> | undefined;
  /** A drain must not wait. */
  readonly #hurried = Promise.withResolvers<void>();
  /** The listener is closed; no more connections come. */
  readonly #closed = Promise.withResolvers<void>();

  /** Is made by {@linkcode startServer}. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The model that serves, and why it is not a better one. */
  get chosen(): ChosenModel {
    return this.#parts.chosen;
  }

  /** Serves until it is drained. Resolves when every connection has ended and every process has been reaped. */
  async run(stop: AbortSignal, hurry?: AbortSignal): Promise<void> {
    this.#parts.acceptor.start();
    whenAborted(stop, () => this.#drainOnce());
    if (hurry) whenAborted(hurry, () => this.#kill());
    await this.#parts.watching;
    await this.#draining;
  }

  totals(): TotalsSnapshot {
    return this.#parts.totals.snapshot();
  }

  /** The connections that have been admitted and have not ended, oldest first; they change while they are served. */
  connections(): Iterable<ConnectionInfo> {
    return this.#parts.connections;
  }

  /** Ends one connection, see {@linkcode Connections.end}. Returns whether there is such a connection. */
  end(id: number, reason: Reason): boolean {
    return this.#parts.connections.end(id, reason);
  }

  /** Tells somebody more what happens from now on. The result tells them no more. */
  tell(receiver: ServerReceiver): () => void {
    return this.#parts.audience.join(receiver);
  }

  /** Says when descriptors are ready, until the server has ended. */
  get watcher(): Watcher {
    return this.#parts.watcher;
  }

  /** Whether it accepts no more. */
  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** How many connections no process has been handed yet. */
  get waiting(): number {
    return this.chosen.model.waiting;
  }

  /** The processes that serve and those that fork them, to be read at once. */
  processes(): Iterable<ProcessEntry> {
    return this.chosen.model.processes();
  }

  /** Accepts no more; lets connections finish within the drain time-out, then ends them. */
  #drainOnce(): void {
    this.#draining ??= this.#drain();
  }

  #kill(): void {
    this.#drainOnce();
    this.#hurried.resolve();
    void this.#closed.promise.then(() => {
      this.#parts.gate.giveUp();
      this.#endAll("SIGKILL");
    });
  }

  async #drain(): Promise<void> {
    const { options, chosen: { model }, gate, audience } = this.#parts;
    const { events } = audience;
    const { connections, descendants, acceptor, watcher } = this.#parts;
    const { listener, drainTimeout } = options;
    const { address, isShared, fd } = listener;
    if (!isShared && !("path" in address) && refuseNewcomers(fd)) {
      await finishHandshakes(address, this.#hurried.promise);
    }
    // Where another server accepts, too, the backlog is its.
    acceptor.stop(isShared ? 0 : Infinity);
    listener.close();
    events.draining(connections.live + connections.waiting);
    model.askToStop();
    this.#closed.resolve();
    const over = new AbortController();
    const served = gate.settled().then(() => {
      model.retire();
      return model.ended();
    });
    const ended = served.then(() => descendants.gone(over.signal));
    if (!await within(drainTimeout, ended)) {
      events.ending(connections.live + connections.waiting);
      gate.giveUp();
      this.#endAll("SIGTERM");
      if (!await within(LAST_WORDS, ended)) this.#endAll("SIGKILL");
      await served;
      await within(LAST_WORDS, ended); // what cannot even be killed is not waited for
      over.abort();
    }
    gate.close();
    watcher.stop();
  }

  #endAll(signal: "SIGTERM" | "SIGKILL"): void {
    const { connections, descendants } = this.#parts;
    descendants.endAll(connections, signal);
  }
}

function whenAborted(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
}

/** An unexpected error, with its place in the code, so that a reader can report it to us. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n")[1]?.trim() ?? "";
  return `${error.name}: ${error.message} ${place}`;
}

/*
 * Ends the descendants of a connection's process with it, wherever they are. Those that it left
 * behind when it exited are ended when the connection's time, or the server's, is over.
 */

/** How long a process has between SIGTERM and SIGKILL, in milliseconds. */
const GRACE = 2_000;
/** How often it is looked whether any is left, in milliseconds. */
const BEAT = 50;
/** While they are killed, processes may start others: so often it is looked again. */
const MOST_LOOKS = 100;

/** Looks after what connections' processes have started. */
class Descendants {
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

  /** Ends the processes of all connections and all their descendants. */
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
