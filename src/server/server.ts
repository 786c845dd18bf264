/**
 * The parent: it accepts, hands over, and counts; it never touches a byte of a connection.
 *
 * @module
 */
import type { Outcome, Reason } from "../child/wire.ts";
import type { ProcessEntry } from "../model/census.ts";
import type { ChosenModel } from "../model/choose.ts";
import type { ModelEvents, ProcessModel } from "../model/model.ts";
import { Sparing } from "../model/sparing.ts";
import { decodeAddress, formatAddress } from "../posix/address.ts";
import type { PosixError } from "../posix/errno.ts";
import { refuseNewcomers } from "../posix/newcomers.ts";
import { descriptorLimit } from "../posix/process.ts";
import { Watcher } from "../posix/watcher.ts";
import { Acceptor } from "./acceptor.ts";
import type { Ticket } from "./admission.ts";
import { Countdown } from "./countdown.ts";
import { Endings } from "./endings.ts";
import { within } from "./deadline.ts";
import { type ServerEvents, type ServerReceiver, tellAll } from "./events.ts";
import { type Arrival, Gate, type GateOptions } from "./gate.ts";
import { Leftovers } from "./leftovers.ts";
import { finishHandshakes } from "./handshakes.ts";
import type { Listener } from "./listener.ts";
import { type Live, LiveTable } from "./live.ts";
import { Slots } from "./slots.ts";
import { Totals, type TotalsSnapshot } from "./totals.ts";

/** How long processes have between SIGTERM and SIGKILL when their time is up, in milliseconds. */
const LAST_WORDS = 2_000;

/** How a server works. */
export interface ServerOptions {
  /** The listening socket, borrowed: closed by {@linkcode Server.drain}. */
  readonly listener: Listener;
  /** Starts the process model. */
  readonly model: (
    watcher: Watcher,
    events: ModelEvents,
  ) => Promise<ChosenModel>;
  /** Who is served, who waits, who is refused. */
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

/** A server from its first connection to its last. */
export class Server {
  readonly #options: ServerOptions;
  readonly #events: ServerEvents;
  readonly #watcher: Watcher;
  readonly #live = new LiveTable();
  readonly #totals = new Totals();
  readonly #acceptor: Acceptor;
  readonly #gate: Gate;
  readonly #slots: Slots;
  readonly #watching: Promise<void>;
  /** Connections beyond it stay in the backlog: each costs a descriptor, which starting processes need. */
  readonly #mostWaiting = Math.min(
    1024,
    Math.max(2, Math.floor(descriptorLimit() / 16)),
  );
  #model: ProcessModel | undefined;
  #endings: Endings | undefined;
  #leftovers: Leftovers | undefined;
  readonly #lifetimes: Countdown<number> | undefined;
  #draining: Promise<void> | undefined;
  /** A drain is to wait for nobody. */
  readonly #hurried = Promise.withResolvers<void>();
  /** The listener is closed, and nobody more comes. */
  readonly #closed = Promise.withResolvers<void>();

  /**
   * Makes one.
   *
   * @param options How it works.
   */
  constructor(options: ServerOptions) {
    this.#options = options;
    this.#events = tellAll([this.#totals, ...options.receivers]);
    const failures = new Sparing(
      (what) => this.#events.trouble(what),
      "Unexpected errors",
    );
    this.#watcher = new Watcher((error) =>
      failures.say(`Cannot handle what came: ${describe(error)}`)
    );
    this.#gate = new Gate(options.gate, this.#watcher, {
      admitted: (connection, ticket) => this.#admitted(connection, ticket),
      rejected: (...refusal) => this.#events.rejected(...refusal),
      room: () => this.#acceptor.resume(),
    });
    this.#slots = new Slots((ticket) => this.#gate.release(ticket));
    this.#acceptor = new Acceptor(options.listener.fd, this.#watcher, {
      hasRoom: () =>
        this.#gate.waiting + (this.#model?.waiting ?? 0) < this.#mostWaiting &&
        this.#gate.hasRoom(),
      makeRoom: () => this.#gate.makeRoom(),
      accepted: (connection) => this.#gate.arrived(connection),
      refused: (error: PosixError) =>
        this.#events.trouble(`Cannot accept: ${error.message}`),
    });
    if (options.maxLifetime !== undefined) {
      this.#lifetimes = new Countdown(
        options.maxLifetime,
        (id) => this.end(id, "lifetime") || this.#leftovers?.expire(id),
      );
    }
    this.#watching = this.#watcher.run().finally(() => failures.close());
  }

  /**
   * Readies the processes. Clients may connect before: they wait in the backlog.
   *
   * @returns The model that serves, and why it is not a better one.
   * @throws {Error} When the model cannot run here; the message says why.
   */
  async start(): Promise<ChosenModel> {
    try {
      const chosen = await this.#options.model(this.#watcher, {
        took: (id, pid) => this.#took(id, pid),
        done: (id, outcome) => this.#done(id, outcome),
        refused: (id, why) => this.#refused(id, why),
        reaped: (pid, exit) => {
          this.#events.removed(pid, exit);
          this.#slots.reaped(pid);
        },
        trouble: (what) => this.#events.trouble(what),
      });
      this.#model = chosen.model;
      const { endsDescent } = this.#options;
      this.#leftovers = new Leftovers(chosen.model, endsDescent);
      this.#endings = new Endings(this.#leftovers);
      return chosen;
    } catch (error) {
      this.#watcher.stop();
      throw error;
    }
  }

  /**
   * Serves until it is drained; call after {@linkcode start}.
   *
   * @param signal Begins the drain.
   * @returns Resolves when every connection has ended and every process has been reaped.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#acceptor.start();
    if (signal.aborted) this.drain();
    else signal.addEventListener("abort", () => this.drain(), { once: true });
    await this.#watching;
    await this.#draining;
  }

  /**
   * What it has done so far.
   *
   * @returns The totals at this moment.
   */
  totals(): TotalsSnapshot {
    return this.#totals.snapshot();
  }

  /**
   * The connections that have been admitted and have not ended, oldest first.
   *
   * @returns Their entries, which change while they are served.
   */
  connections(): Iterable<Readonly<Live>> {
    return this.#live;
  }

  /**
   * Ends one connection: a handler is told by its `signal`; who does not end within two seconds gets
   * SIGTERM, and two seconds later SIGKILL.
   *
   * @param id Which.
   * @param reason Why, for the log.
   * @returns Whether there is such a connection.
   */
  end(id: number, reason: Reason): boolean {
    const live = this.#live.get(id);
    if (!live) return false;
    this.#endings?.begin(live, reason);
    if (live.pid === 0) this.#model?.withdraw(id, reason);
    return true;
  }

  /** Says when descriptors are ready, until the server has ended. */
  get watcher(): Watcher {
    return this.#watcher;
  }

  /** Whether it accepts no more. */
  get isDraining(): boolean {
    return this.#draining !== undefined;
  }

  /** How many connections no process has been handed yet. */
  get waiting(): number {
    return this.#model?.waiting ?? 0;
  }

  /**
   * The processes that serve and those that fork them.
   *
   * @returns One entry each, to be read at once.
   */
  processes(): Iterable<ProcessEntry> {
    return this.#model?.processes() ?? [];
  }

  /** Accepts no more; lets connections finish within the drain time-out, then ends them. */
  drain(): void {
    this.#draining ??= this.#drain();
  }

  /** Ends every process at once. */
  kill(): void {
    this.drain();
    this.#hurried.resolve();
    void this.#closed.promise.then(() => {
      this.#gate.giveUp();
      this.#leftovers?.endAll(this.#live, "SIGKILL");
    });
  }

  async #drain(): Promise<void> {
    const model = this.#model;
    const { listener } = this.#options;
    const { address, isShared, fd } = listener;
    if (!isShared && !("path" in address) && refuseNewcomers(fd)) {
      await finishHandshakes(address, this.#hurried.promise);
    }
    // Where another server accepts, too, the backlog is its.
    this.#acceptor.stop(listener.isShared ? 0 : Infinity);
    listener.close();
    this.#events.draining(this.#live.size + this.#gate.waiting);
    model?.askToStop();
    this.#closed.resolve();
    const over = new AbortController();
    const served = this.#gate.settled().then(() => {
      model?.retire();
      return model?.ended();
    });
    const ended = served.then(() => this.#leftovers?.gone(over.signal));
    if (!await within(this.#options.drainTimeout, ended)) {
      this.#events.ending(this.#live.size + this.#gate.waiting);
      this.#gate.giveUp();
      this.#leftovers?.endAll(this.#live, "SIGTERM");
      if (!await within(LAST_WORDS, ended)) {
        this.#leftovers?.endAll(this.#live, "SIGKILL");
      }
      await served;
      await within(LAST_WORDS, ended); // what cannot even be killed is not waited for
      over.abort();
    }
    this.#gate.close();
    this.#watcher.stop();
  }

  #admitted({ fd, peer, via }: Arrival, ticket: Ticket): void {
    const live = this.#live.add(formatAddress(decodeAddress(peer)), via);
    this.#slots.hold(live.id, ticket);
    this.#events.accepted(live);
    this.#model?.serve({ id: live.id, fd, peer, lost: 0 });
  }

  #took(id: number, pid: number): void {
    const live = this.#live.took(id, pid);
    if (live) {
      this.#events.connected(live);
      this.#lifetimes?.start(id);
      this.#endings?.took(live);
    }
    this.#acceptor.resume();
  }

  #done(id: number, outcome: Outcome): void {
    const live = this.#live.remove(id);
    if (!live) return;
    if (this.#endings?.has(live)) this.#leftovers?.insist(id);
    // What it leaves behind has no more time than it had itself.
    if (this.#lifetimes && !this.#leftovers?.has(id)) this.#lifetimes.stop(id);
    const told = this.#endings?.settle(live, outcome) ?? outcome;
    this.#events.disconnected(live, told, performance.now() - live.acceptedAt);
    this.#slots.ended(id, this.#model?.reusesProcesses ? 0 : live.pid);
  }

  #refused(id: number, why: string): void {
    const live = this.#live.remove(id);
    if (live) {
      this.#endings?.forget(live);
      this.#events.refused(live, why);
      this.#slots.ended(id, 0);
    }
    this.#acceptor.resume();
  }
}

/** An error that nobody expected, with the place that it comes from: whoever reads it reports it to us. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n")[1]?.trim() ?? "";
  return `${error.name}: ${error.message} ${place}`;
}
