/**
 * Starting the process model that was asked for.
 *
 * A server that spawns because the machine was too busy to fork when it started: it tries once more later, and
 * goes over to `fork` for the connections that come from then on.
 *
 * One model after another: new connections go to the newest, and those that an older one serves
 * finish there.
 *
 * @module
 */
import type { Watcher } from "../posix/watcher.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import type { MODEL_NAMES, RewindChoice } from "../wire/choices.ts";
import { ForkModel } from "./fork.ts";
import { ForkSource } from "./fork_source.ts";
import {
  type SupervisorEvents,
  ZygoteSupervisor,
} from "./zygote_supervisor.ts";
import {
  type EndSignal,
  type Handoff,
  type ModelEvents,
  type ProcessEntry,
  type ProcessModel,
  Rewinding,
  type RewindState,
  StartError,
} from "./model.ts";
import { SpawnSource, type WorkerSource } from "./worker.ts";
import { WorkerModel } from "./workers.ts";

/** Models in their order; all but the newest are on their way out. */
export class Generations implements ProcessModel {
  readonly #all = new Set<ProcessModel>();
  #newest: ProcessModel;
  /** The start of the next one, while it is under way. */
  #starting: Promise<unknown> = Promise.resolve();
  #stopping = false;
  #retired = false;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(first: ProcessModel) {
    this.#newest = first;
    this.#all.add(first);
  }

  get name(): string {
    return this.#newest.name;
  }

  get rewinding(): RewindState | null {
    return this.#newest.rewinding;
  }

  get reusesProcesses(): boolean {
    return this.#newest.reusesProcesses;
  }

  start(): Promise<void> {
    return Promise.resolve(); // each is started before it comes here
  }

  get waiting(): number {
    let waiting = 0;
    for (const model of this.#all) waiting += model.waiting;
    return waiting;
  }

  serve(handoff: Handoff): void {
    this.#newest.serve(handoff);
  }

  withdraw(id: number, why: string): void {
    for (const model of this.#all) model.withdraw(id, why);
  }

  end(pid: number, signal: EndSignal): boolean {
    for (const model of this.#all) {
      for (const process of model.processes()) {
        if (process.pid === pid) return model.end(pid, signal);
      }
    }
    return false;
  }

  *processes(): Iterable<ProcessEntry> {
    for (const model of this.#all) yield* model.processes();
  }

  /**
   * Starts another model, and gives it the connections that come from then on. The one before lets go of its
   * processes as their connections end. Call it again only when this has resolved. Resolves when the new one serves.
   * Throws `Error`: what `start` throws: then everything stays as it was.
   */
  async replace(
    start: () => Promise<ProcessModel>,
    ended: () => void,
  ): Promise<void> {
    const starting = start();
    this.#starting = starting.catch(() => {}); // whoever called us looks
    const next = await starting;
    const before = this.#newest;
    this.#newest = next;
    this.#all.add(next);
    if (this.#stopping) next.askToStop();
    if (this.#retired) next.retire();
    before.retire();
    void before.ended().then(() => {
      this.#all.delete(before);
      ended();
    });
  }

  /** Resolves when nothing new is to be started any more. */
  get stopping(): Promise<void> {
    return this.#stopped.promise;
  }

  askToStop(): void {
    this.#stopping = true;
    this.#stopped.resolve();
    for (const model of this.#all) model.askToStop();
  }

  retire(): void {
    this.#retired = true;
    this.#stopped.resolve();
    for (const model of this.#all) model.retire();
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    for (const model of this.#all) model.kill(signal);
  }

  async ended(): Promise<void> {
    await this.#starting; // what it starts is ours to see to its end
    await Promise.all([...this.#all].map((model) => model.ended()));
  }
}

interface ModelOptions {
  readonly model: typeof MODEL_NAMES[number];
  /** How children serve. */
  readonly child: ChildOptions;
  /** `spawn`: processes that wait ahead of connections. */
  readonly spares: number;
  /** `fork`: zygotes that share the work. */
  readonly zygotes: number;
  /** `pool`: processes that serve one connection after another. */
  readonly workers: number;
  /** `pool`: connections after which a process is replaced; 0 for never; undefined for what is usual. */
  readonly recycle?: number | undefined;
  /** `pool`: whether processes rewind their memory in between. */
  readonly rewind: RewindChoice;
}

/** A model that has been started. */
export interface ChosenModel {
  readonly model: ProcessModel;
  /** Why it is not the one that would be better, at this moment; undefined when it is. */
  readonly why?: string | undefined;
}

/**
 * Starts the model that was asked for, or the best that works here. Throws `Error` when the model that was asked for
 * cannot run here; the message says why.
 */
export async function startModel(
  options: ModelOptions,
  watcher: Watcher,
  events: ModelEvents,
): Promise<ChosenModel> {
  const { model, child, zygotes } = options;
  if (model === "spawn") {
    return { model: await startSpawn(options, watcher, events) };
  }
  if (model === "pool") return await startPool(options, watcher, events);
  const startFork = async (): Promise<ProcessModel> => {
    // Until `auto` has decided, a problem is the reason for its choice.
    let decided = model === "fork";
    const patient: ModelEvents = {
      ...events,
      trouble: (what) => {
        if (decided) events.trouble(what);
      },
    };
    const supervise = (own: SupervisorEvents) =>
      new ZygoteSupervisor({ child, zygotes }, watcher, own);
    const fork = new ForkModel(child, supervise, patient);
    await fork.start();
    decided = true;
    return fork;
  };
  try {
    return { model: await startFork() };
  } catch (error) {
    if (model === "fork" || !isOfSystem(error)) throw error;
    const why = (error as Error).message;
    const spawn = await startSpawn(options, watcher, events);
    return isSlow(error)
      ? new SecondTry(spawn, why, startFork, events)
      : { model: spawn, why };
  }
}

async function startSpawn(
  { child, spares }: ModelOptions,
  watcher: Watcher,
  events: ModelEvents,
): Promise<ProcessModel> {
  const options = {
    name: "spawn",
    spares,
    most: Infinity,
    recycle: 1,
    mustProve: mustProve(child),
    isProgram: "program" in child.service,
    isHandler: "module" in child.service,
    grants: child.grants,
  };
  const source = new SpawnSource(child, watcher, events.trouble);
  const model = new WorkerModel(options, source, watcher, events);
  await model.start();
  return model;
}

/** Refuses at once what every process would refuse. */
function mustProve({ service, sandbox }: ChildOptions): boolean {
  return "module" in service || sandbox.isWanted;
}

/** Workers are forked where that works, and spawned elsewhere. */
async function startPool(
  { child: own, workers, recycle, rewind }: ModelOptions,
  watcher: Watcher,
  events: ModelEvents,
): Promise<ChosenModel> {
  const child = { ...own, isPooled: true };
  const options = {
    name: "pool",
    spares: workers,
    most: workers,
    recycle: recycle === 0 ? Infinity : recycle,
    isHandler: "module" in child.service,
    grants: child.grants,
    isProgram: false, // such a process could not take turns
    processorTime: child.attributes?.limits.cpu,
  };
  const pool = (
    source: WorkerSource,
    mustProve: boolean,
    rewinding: Rewinding,
  ) =>
    new WorkerModel(
      { ...options, mustProve, rewinding },
      source,
      watcher,
      events,
    );
  const rewindingOf = (why?: string) =>
    new Rewinding(rewind, (why) => events.rewound(why), why);
  try {
    const source = new ForkSource(child, watcher, {
      available: () => model.resume(),
      started: (pid, role) => events.started(pid, role),
      zygoteEnded: (pid, exit) => events.zygoteEnded(pid, exit),
      trouble: (what) => events.trouble(what),
    });
    const model = pool(source, false, rewindingOf()); // its zygote does
    await model.start();
    return { model };
  } catch (error) {
    if (!isOfSystem(error) || rewind === "on") throw error;
    const spawned = new SpawnSource(child, watcher, events.trouble);
    const model = pool(
      spawned,
      mustProve(child),
      rewindingOf("its processes are not forked"),
    );
    await model.start();
    return { model, why: (error as Error).message };
  }
}

/** Whether another model may do; else it would be refused the same. */
function isOfSystem(error: unknown): boolean {
  return !(error instanceof StartError) || error.failure === "system" ||
    isSlow(error);
}

/** Whether the same may do when the machine is less busy. */
function isSlow(error: unknown): boolean {
  return error instanceof StartError && error.failure === "slow";
}

/** How long after the start, in milliseconds: what keeps a machine busy at boot is over then. */
const LATER = 60_000;

/** The model that serves before and after the second try. */
export class SecondTry implements ChosenModel {
  readonly model: Generations;
  #why: string | undefined;
  #isStopping = false;

  /** Waits. `model`: what serves until then, started. `later`: when: milliseconds from now. */
  constructor(
    model: ProcessModel,
    why: string,
    start: () => Promise<ProcessModel>,
    events: Pick<ModelEvents, "changed">,
    later = LATER,
  ) {
    this.model = new Generations(model);
    this.#why = why;
    const timer = setTimeout(() => this.#try(start, events), later);
    Deno.unrefTimer(timer);
    void this.model.stopping.then(() => {
      this.#isStopping = true;
      clearTimeout(timer);
    });
  }

  /** See {@linkcode ChosenModel}. */
  get why(): string | undefined {
    return this.#why;
  }

  async #try(
    start: () => Promise<ProcessModel>,
    { changed }: Pick<ModelEvents, "changed">,
  ): Promise<void> {
    const before = this.model.name;
    try {
      await this.model.replace(start, () => {});
      this.#why = undefined;
      changed(`Switched to ${this.model.name} for new connections`);
    } catch (error) {
      this.#why = (error as Error).message;
      if (this.#isStopping) return;
      changed(`Staying with ${before}: ${this.#why}`);
    }
  }
}
