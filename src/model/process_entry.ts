/**
 * The processes of a model, as a person is shown them.
 *
 * @module
 */

/** Where a process can stand. */
export const PROCESS_STATES = [
  /** It is being started or forked. */
  "starting",
  /** It waits: a zygote for something to fork, any other for a connection. */
  "ready",
  /** A connection is on its way to it. */
  "handed",
  /** It has a connection. */
  "serving",
  /** Its connection has ended, and it is about to exit. */
  "finished",
] as const;

/** One of {@linkcode PROCESS_STATES}. */
export type ProcessState = typeof PROCESS_STATES[number];

/** A process that the server started, directly or through a zygote. */
export interface ProcessEntry {
  /** Its process id; 0 while it is being forked. */
  readonly pid: number;
  /** The process that it came from, or that adopted it. */
  readonly parent: number;
  /** What it is for: to serve connections, or to fork those that do. */
  readonly role: "zygote" | "connection";
  /** Where it stands. */
  readonly state: ProcessState;
  /** Which connection it serves; 0 for none. */
  readonly connection: number;
}
