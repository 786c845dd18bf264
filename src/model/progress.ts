/**
 * How long a process may take to start: as long as it says where it is, it is waited for.
 *
 * @module
 */
import { LOADING } from "../wire/records.ts";
import { StartError } from "./start_error.ts";

/** How long one step may take, in milliseconds. */
const MOST = 10_000;
/** How much longer a parent waits than a child that looks at the clock itself, in milliseconds. */
const GRACE = 2_000;

/** Waits for the first process that is ready to serve. */
export class Progress {
  readonly #most: number;
  readonly #proven = Promise.withResolvers<void>();
  /** Whether a process was ready, or could not serve. */
  isOver = false;
  /** Whether the first could not serve. */
  hasFailed = false;
  #step = "starting";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes one; nobody needs to look at it.
   *
   * @param most How long one step may take, in milliseconds.
   */
  constructor(most = MOST + GRACE) {
    this.#most = most;
    this.#proven.promise.catch(() => {});
  }

  /**
   * Waits until a process is ready.
   *
   * @throws {StartError} When one cannot serve, or says nothing for too long.
   */
  async wait(): Promise<void> {
    this.#wind();
    try {
      await this.#proven.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }

  /**
   * A process says what it does next.
   *
   * @param what Such as `loading the module`.
   */
  step(what: string): void {
    this.#step = what;
    if (this.#timer !== undefined) this.#wind();
  }

  /** A process is ready. */
  ready(): void {
    this.isOver = true;
    this.#proven.resolve();
  }

  /** A process cannot serve. */
  failed(error: StartError): void {
    if (this.isOver) return;
    this.isOver = this.hasFailed = true;
    this.#proven.reject(error);
  }

  #wind(): void {
    clearTimeout(this.#timer);
    const late = () => {
      const seconds = this.#most / 1000;
      const error = this.#step === LOADING
        ? new StartError(`it is still loading after ${seconds} s`, "handler")
        : new StartError(
          `a process is still ${this.#step} after ${seconds} s`,
          "slow",
        );
      this.failed(error);
    };
    this.#timer = setTimeout(late, this.#most);
  }
}
