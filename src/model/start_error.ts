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

  constructor(message: string, failure: Failure = "system") {
    super(message);
    this.failure = failure;
  }

  /** What a process said that cannot serve. */
  static of({ outcome, status }: Report): StartError {
    return new StartError(outcome?.text ?? "", FAILURES[status]);
  }
}
