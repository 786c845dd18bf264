/**
 * A process that is started before anybody needs it: a server's code takes as long to load as the process takes to
 * start, and the two go on at the same time.
 *
 * @module
 */
import { type ChildOptions, encodeOptions } from "../wire/child_options.ts";

/** Keeps one process for whoever wants its options. */
export class Early<Started> {
  readonly #start: (options: ChildOptions) => Started;
  readonly #end: (started: Started) => void;
  #kept: { readonly options: string; readonly started: Started } | null = null;

  /** `start` starts such a process; `end` ends one that nobody has wanted, and closes what belongs to it. */
  constructor(
    start: (options: ChildOptions) => Started,
    end: (started: Started) => void,
  ) {
    this.#start = start;
    this.#end = end;
  }

  /** Starts one. How it will serve is guessed: whoever wants other options gets another process. */
  start(options: ChildOptions): void {
    try {
      this.#kept = {
        options: encodeOptions(options),
        started: this.#start(options),
      };
    } catch {
      // Whoever needs one says why there is none.
    }
  }

  /** The one that was started early, for the same options, once; else a new one. */
  take(options: ChildOptions): Started {
    if (this.#kept?.options !== encodeOptions(options)) {
      return this.#start(options);
    }
    const { started } = this.#kept;
    this.#kept = null;
    return started;
  }

  /** Ends it, if nobody has wanted it. */
  end(): void {
    if (this.#kept !== null) this.#end(this.#kept.started);
    this.#kept = null;
  }
}
