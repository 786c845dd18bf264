/**
 * How a handler learns that the server drains: the parent sends SIGUSR2, which is held back until the
 * handler looks at `connection.signal`.
 *
 * @module
 */
import { holdStopSignal, releaseStopSignal } from "../posix/forking.ts";

let controller: AbortController | undefined;

/** Holds the signal back from here on: it would end a process that is not prepared for it. */
export function prepareStopSignal(): void {
  holdStopSignal();
}

/**
 * The signal that a drain aborts.
 *
 * @returns One for the whole process.
 */
export function stopSignal(): AbortSignal {
  if (!controller) {
    const made = new AbortController();
    controller = made;
    Deno.addSignalListener("SIGUSR2", () => {
      made.abort(new DOMException("The server is draining", "AbortError"));
    });
    releaseStopSignal();
  }
  return controller.signal;
}
