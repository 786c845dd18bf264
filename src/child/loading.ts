/**
 * Loading a person's module in a process that is enclosed already: within a limit of time, and with whatever
 * goes wrong told in one line.
 *
 * @module
 */
import { dataUrl } from "../program.ts";
import { type LoadedService, loadHandler } from "../service/load.ts";
import type { AnyService } from "../service/service.ts";
import { revokePermissions } from "../permissions.ts";
import { describeError, placeOutside } from "./describe_error.ts";
import { type ChildOptions, rootsOf, ungranted } from "./options.ts";
import { HandlerError } from "./failure.ts";
import { hideInternals } from "./internals.ts";
import { catchUncaught, stopWaiting, untilUncaught } from "./uncaught.ts";

/** How long a module may take, in seconds. */
const MOST_SECONDS = 10;
/** Bytes of a reason that travel in a report. */
const MOST_BYTES = 420;

/**
 * Loads a handler.
 *
 * @param options How this process serves.
 * @returns The handler.
 * @throws {HandlerError} When it cannot be used; the message says why, and where if that is known.
 */
export async function loadModule(
  options: ChildOptions,
): Promise<LoadedService> {
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
      Promise.race([load(options), late.promise]),
    );
    return { serve, asynchronous: true };
  } catch (error) {
    throw error instanceof HandlerError
      ? error
      : new HandlerError(explain(error));
  } finally {
    clearTimeout(timer);
    stopWaiting();
    revokePermissions(options.grants);
  }
}

async function load({ service, grants }: ChildOptions): Promise<AnyService> {
  const { module } = service as { readonly module: string };
  if (Deno.build.standalone) {
    hideInternals();
    return await loadHandler(() => import(module)); // read as it runs: whole kinds alone are granted
  }
  // The runtime reads all that a literal path leads to before it runs any of it.
  const read = dataUrl(
    "javascript",
    `export const run=()=>import(${JSON.stringify(module)})`,
  );
  const { run } = await import(read);
  hideInternals();
  for (const path of ungranted(rootsOf(service), grants)) {
    Deno.permissions.revokeSync({ name: "read", path });
  }
  return await loadHandler(run);
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
