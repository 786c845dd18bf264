/**
 * Errors that a handler does not catch, such as one thrown in a timer or a promise that nobody
 * awaits. The runtime would print many lines and end the process; instead they end the connection.
 *
 * @module
 */

import { exitNow } from "../posix/forking.ts";
import { write } from "../posix/io.ts";
import { describeError } from "./describe_error.ts";
import { mayHaveLoadedNode } from "./identity.ts";

const STDERR = 2;

/** Ends the wait for the connection that is served at this moment; undefined while none has been. */
let interrupt: ((error: unknown) => void) | undefined;
/** The first error that nobody caught. */
let struck: { error: unknown } | undefined;

/**
 * Waits for a handler, or for an error that it does not catch.
 *
 * @param served Resolves when the handler is done.
 * @returns Resolves with it; rejects with the error that comes first.
 */
export function untilUncaught<T>(served: PromiseLike<T>): Promise<T> {
  // Not Promise.race: what never settles would keep every connection of a worker.
  return new Promise((resolve, reject) => {
    interrupt = reject;
    if (struck) reject(struck.error);
    served.then(resolve, reject);
  });
}

/** Waits for nothing any more: an error ends the process, until the next {@linkcode untilUncaught}. */
export function stopWaiting(): void {
  interrupt = undefined;
}

/**
 * Whether an error was not caught in this process.
 *
 * @returns True when its state is not to be trusted any more.
 */
export function sawUncaught(): boolean {
  return struck !== undefined;
}

/**
 * Ends this process for an error of our own, in one line. The runtime would say it in many, and read files
 * for them, which a sandbox takes for something else.
 *
 * @param error What was thrown.
 */
export function giveUp(error: unknown): never {
  const line = `error: Process ${Deno.pid} ended: ${describeError(error)}\n`;
  try {
    write(STDERR, new TextEncoder().encode(line));
  } catch {
    // Nobody reads it.
  }
  return exitNow(1);
}

/**
 * Listens for errors that nobody catches; call it before the handler's module is loaded. While no connection
 * has been served such an error ends the process, as it would without us; later it ends the connection, unless
 * a listener of the handler's own says that it has been seen to (`preventDefault()`, or one on `process`).
 */
export function catchUncaught(): void {
  const { PromiseRejectionEvent, ErrorEvent, dispatchEvent } = globalThis;
  /** What the handler's own listeners are shown in the place of the runtime's event. */
  let shown: Event | undefined;
  const listen = <Kind extends PromiseRejectionEvent | ErrorEvent>(
    kind: string,
    nodeKinds: readonly string[],
    errorOf: (event: Kind) => unknown,
    copyOf: (event: Kind) => Kind,
  ) =>
    addEventListener(kind, (event) => {
      if (event === shown || event.defaultPrevented || !interrupt) return;
      if (nodeKinds.some(hasNodeListener)) return; // they are called when the event is over
      event.stopImmediatePropagation();
      event.preventDefault();
      const copy = shown = copyOf(event as Kind);
      if (dispatchEvent(copy)) strike(errorOf(event as Kind));
    });
  listen<PromiseRejectionEvent>(
    "unhandledrejection",
    ["unhandledRejection", "uncaughtException"],
    ({ reason }) => reason,
    ({ type, promise, reason }) =>
      new PromiseRejectionEvent(type, { promise, reason, cancelable: true }),
  );
  listen<ErrorEvent>(
    "error",
    ["uncaughtException"],
    ({ error }) => error,
    ({ type, message, filename, lineno, colno, error }) =>
      new ErrorEvent(type, {
        ...{ message, filename, lineno, colno, error },
        cancelable: true,
      }),
  );
}

function strike(error: unknown): void {
  struck ??= { error };
  interrupt?.(error);
}

/** Whether the handler listens for this on `process`, which must not be loaded to know it. */
function hasNodeListener(kind: string): boolean {
  if (!mayHaveLoadedNode()) return false;
  const { process } = globalThis as unknown as {
    process: { listenerCount(kind: string): number };
  };
  return process.listenerCount(kind) > 0;
}
