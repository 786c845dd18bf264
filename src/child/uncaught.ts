/**
 * Errors that a handler does not catch, such as one thrown in a timer or a promise that nobody
 * awaits. The runtime would print many lines and end the process; instead they end the connection.
 *
 * @module
 */

import { exitNow } from "../posix/forking.ts";
import { write } from "../posix/io.ts";
import { describeError } from "./describe_error.ts";

const STDERR = 2;

/** Ends the wait for the connection that is served at this moment. */
let interrupt: ((error: unknown) => void) | undefined;
let listening = false;
/** The first error that nobody caught. */
let struck: { error: unknown } | undefined;

/**
 * Waits for a handler, or for an error that it does not catch.
 *
 * @param served Resolves when the handler is done.
 * @returns Resolves with it; rejects with the error that comes first.
 */
export function untilUncaught(served: Promise<void>): Promise<void> {
  if (!listening) listen();
  // Not Promise.race: what never settles would keep every connection of a worker.
  return new Promise((resolve, reject) => {
    interrupt = reject;
    if (struck) reject(struck.error);
    served.then(resolve, reject);
  });
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

function listen(): void {
  listening = true;
  const strike = (event: Event, error: unknown) => {
    event.preventDefault();
    struck ??= { error };
    interrupt?.(error);
  };
  addEventListener("unhandledrejection", (event) => {
    strike(event, event.reason);
  });
  addEventListener("error", (event) => strike(event, event.error));
}
