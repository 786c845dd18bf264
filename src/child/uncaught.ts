/**
 * Errors that a handler does not catch, such as one thrown in a timer or a promise that nobody
 * awaits. The runtime would print many lines and end the process; instead they end the connection.
 *
 * @module
 */

let caught: PromiseWithResolvers<never> | undefined;
let seen = false;

/**
 * Waits for a handler, or for an error that it does not catch.
 *
 * @param served Resolves when the handler is done.
 * @returns Resolves with it; rejects with the error that comes first.
 */
export function untilUncaught(served: Promise<void>): Promise<void> {
  caught ??= listen();
  return Promise.race([served, caught.promise]);
}

/**
 * Whether an error was not caught in this process.
 *
 * @returns True when its state is not to be trusted any more.
 */
export function sawUncaught(): boolean {
  return seen;
}

function listen(): PromiseWithResolvers<never> {
  const made = Promise.withResolvers<never>();
  made.promise.catch(() => {}); // nobody may be waiting when it comes
  const strike = (event: Event, error: unknown) => {
    event.preventDefault();
    seen = true;
    made.reject(error);
  };
  addEventListener("unhandledrejection", (event) => {
    strike(event, event.reason);
  });
  addEventListener("error", (event) => strike(event, event.error));
  return made;
}
