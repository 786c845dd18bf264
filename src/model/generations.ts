/**
 * One model after another: new connections go to the newest, and those that an older one serves
 * finish there.
 *
 * @module
 */
import type {
  EndSignal,
  Handoff,
  ProcessEntry,
  ProcessModel,
} from "./model.ts";

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
   * Starts another model, and gives it the connections that come from then on. The one before lets go
   * of its processes as their connections end. Call it again only when this has resolved.
   *
   * @returns Resolves when the new one serves.
   * @throws {Error} What `start` throws: then everything stays as it was.
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
