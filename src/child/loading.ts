/**
 * Loads a person's module in a process that is already enclosed, within a limit of time; an error becomes one line.
 *
 * @module
 */
import {
  Error,
  includes,
  isA,
  replace,
  SafePattern,
  slice,
} from "../posix/intrinsics.ts";
import { revokePermissions } from "../runtime/permissions.ts";
import { dataUrl } from "../runtime/roles.ts";
import { type LoadedService, loadHandler } from "../service/load.ts";
import {
  type ChildOptions,
  rootsOf,
  ungranted,
} from "../wire/child_options.ts";
import { HandlerError } from "../wire/tell.ts";
import {
  catchUncaught,
  describeError,
  oneLine,
  placeOutside,
  stopWaiting,
  untilUncaught,
} from "./errors.ts";

/** How long a module may take, in seconds. */
const MOST_SECONDS = 10;
/** Bytes of a reason that travel in a report. */
const MOST_BYTES = 420;
// deno-lint-ignore no-control-regex
const COLOURS = new SafePattern(/\x1b\[[\d;]*m/g);
const AGAIN = new SafePattern(/, run again with the --allow-(\w+) flag/);

/**
 * Loads a handler.
 *
 * @throws {HandlerError} When it cannot be used; the message says why, and where if that is known.
 */
export async function loadModule(
  options: ChildOptions,
): Promise<LoadedService> {
  catchUncaught();
  const { clearTimeout } = globalThis;
  const late = Promise.withResolvers<never>();
  // It also keeps the event loop alive for a module that waits without end.
  const timer = setTimeout(
    () =>
      late.reject(
        new HandlerError(
          `the module did not finish loading within ${MOST_SECONDS} s: move slow or endless work into the handler`,
        ),
      ),
    1_000 * MOST_SECONDS,
  );
  try {
    return await untilUncaught(Promise.race([load(options), late.promise]));
  } catch (error) {
    throw isA(error, HandlerError) ? error : new HandlerError(explain(error));
  } finally {
    clearTimeout(timer);
    stopWaiting();
    revokePermissions(options.grants);
  }
}

async function load({ service, grants }: ChildOptions): Promise<LoadedService> {
  const { module } = service as { readonly module: string };
  // Read as it runs: whole kinds alone are granted.
  if (Deno.build.standalone) return await loadHandler(() => import(module));
  // The runtime reads all that a literal path leads to before it runs any of it.
  const read = dataUrl(
    "javascript",
    `export const run=()=>import(${JSON.stringify(module)})`,
  );
  const { run } = await import(read);
  for (const path of ungranted(rootsOf(service), grants)) {
    Deno.permissions.revokeSync({ name: "read", path });
  }
  return await loadHandler(run);
}

/** Describes an error of loading: the module's errors have a stack, the runtime's own have the place in their text. */
function explain(error: unknown): string {
  if (!isA(error, Error)) return describeError(error, MOST_BYTES);
  const text = oneLine(replace(`${error.message}`, COLOURS, ""));
  const words = replace(text, AGAIN, ", which was not granted (--grant $1)");
  const place = placeOutside(error);
  return place === undefined || includes(words, place)
    ? slice(words, 0, MOST_BYTES)
    : `${slice(words, 0, MOST_BYTES - place.length)} at ${place}`;
}
