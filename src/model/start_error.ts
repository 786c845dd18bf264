/**
 * Why processes that serve cannot be had.
 *
 * @module
 */
import { type Failure, FAILURES, type Report } from "../wire/records.ts";

/** Thrown where a model does not start. */
export class StartError extends Error {
  /** What it is called. */
  override name = "StartError";
  /** Whose fault it is: another model may do where it is the system's. */
  readonly failure: Failure;

  /**
   * Makes one.
   *
   * @param message Why; a sentence, or for a handler what follows its name.
   * @param failure Whose fault it is.
   */
  constructor(message: string, failure: Failure = "system") {
    super(message);
    this.failure = failure;
  }

  /**
   * What a process said that cannot serve.
   *
   * @param report Its report, `failed`.
   * @returns The error.
   */
  static of({ outcome, status }: Report): StartError {
    return new StartError(outcome?.text ?? "", FAILURES[status]);
  }
}
