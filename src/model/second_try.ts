/**
 * A server that spawns because the machine was too busy to fork when it started: it tries once more later, and
 * goes over to `fork` for the connections that come from then on.
 *
 * @module
 */
import type { ChosenModel } from "./choose.ts";
import { Generations } from "./generations.ts";
import type { ModelEvents, ProcessModel } from "./model.ts";

/** How long after the start, in milliseconds: what keeps a machine busy at boot is over then. */
const LATER = 60_000;

/** What serves until then, and from then on. */
export class SecondTry implements ChosenModel {
  readonly model: Generations;
  #why: string | undefined;
  #isStopping = false;

  /**
   * Waits.
   *
   * @param model What serves until then, started.
   * @param later When: milliseconds from now.
   */
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
      changed(`New connections are served by ${this.model.name} from now on`);
    } catch (error) {
      this.#why = (error as Error).message;
      if (this.#isStopping) return;
      changed(`Going on with ${before}: ${this.#why}`);
    }
  }
}
