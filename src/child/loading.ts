/**
 * Loading a person's module in a process that is enclosed already: within a limit of time, and with whatever
 * goes wrong told in one line.
 *
 * @module
 */
import {
  type LoadedService,
  loadHandler,
  type LoadModule,
} from "../service/load.ts";
import { revokePermissions } from "../permissions.ts";
import { describeError, placeOutside } from "./describe_error.ts";
import type { ChildOptions } from "./options.ts";
import { HandlerError } from "./failure.ts";
import { catchUncaught, stopWaiting, untilUncaught } from "./uncaught.ts";

/** How long a module may take, in seconds. */
const MOST_SECONDS = 10;
/** Bytes of a reason that travel in a report. */
const MOST_BYTES = 420;

/**
 * Loads a handler.
 *
 * @param options How this process serves.
 * @param load Runs its module; undefined in a compiled program.
 * @returns The handler.
 * @throws {HandlerError} When it cannot be used; the message says why, and where if that is known.
 */
export async function loadModule(
  { grants, service }: ChildOptions,
  load: LoadModule | undefined,
): Promise<LoadedService> {
  const { module } = service as { readonly module: string };
  catchUncaught();
  const late = Promise.withResolvers<never>();
  // It also keeps the event loop alive for a module that waits for what never comes.
  const timer = setTimeout(
    () =>
      late.reject(
        new HandlerError(
          `the module has not finished loading after ${MOST_SECONDS} s: do in the handler what takes so long, or never ends`,
        ),
      ),
    1_000 * MOST_SECONDS,
  );
  try {
    const serve = await untilUncaught(
      Promise.race([loadHandler(load ?? (() => import(module))), late.promise]),
    );
    return { serve, asynchronous: true };
  } catch (error) {
    throw error instanceof HandlerError
      ? error
      : new HandlerError(explain(error));
  } finally {
    clearTimeout(timer);
    stopWaiting();
    revokePermissions(grants);
  }
}

/** What a module throws says where; what the runtime finds wrong with it has the place in its words. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return describeError(error, MOST_BYTES);
  const words = String(error.message)
    // deno-lint-ignore no-control-regex
    .replaceAll(/\x1b\[[\d;]*m/g, "")
    .replaceAll(/\s+/g, " ")
    .replace(
      /, run again with the --allow-(\w+) flag/,
      ", which nobody granted (--grant $1)",
    );
  const place = placeOutside(error);
  return place === undefined || words.includes(place)
    ? words.slice(0, MOST_BYTES)
    : `${words.slice(0, MOST_BYTES - place.length)} at ${place}`;
}
