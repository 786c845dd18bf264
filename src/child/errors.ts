/**
 * Errors inside a connection process: the errors that `Deno.Conn` throws for those of the system, their text in a
 * report, and uncaught errors.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { exitNow } from "../posix/forking.ts";
import {
  as,
  encode,
  encodeInto,
  Error,
  errors,
  exec,
  getterOf,
  hasOwn,
  includes,
  isA,
  isIntact,
  isPromise,
  lengthOf,
  Promise,
  put,
  replace,
  SafePattern,
  slice,
  startsWith,
  trim,
  Uint8Array,
  uncurry,
} from "../posix/intrinsics.ts";
import { write } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import {
  mayHaveLoadedNode,
  revokePermissions,
} from "../runtime/permissions.ts";
import { ServeError } from "../wire/tell.ts";
import {
  type ChildOptions,
  rootsOf,
  ungranted,
} from "../wire/child_options.ts";
import { type LoadedService, loadHandler } from "../service/load.ts";
import { dataUrl } from "../runtime/roles.ts";
import { keepStreams } from "./streams.ts";

/** Throws what `Deno.Conn` throws for the same error, so that code written for it can catch it. */
export function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!PosixError.is(error)) throw error;
    const DenoError = DENO_ERRORS[error.code];
    throw DenoError ? new DenoError(error.message) : new SystemError(error);
  }
}

/** An error of the system for which `Deno.Conn` has no class. Nobody else can get this class. */
class SystemError extends Error {
  override readonly name: string;
  readonly code: string;

  constructor({ name, message, code }: PosixError) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

const DENO_ERRORS: Readonly<Record<string, new (message: string) => Error>> = {
  __proto__: null as never,
  ECONNRESET: errors.ConnectionReset,
  EPIPE: errors.BrokenPipe,
  ENOTCONN: errors.NotConnected,
  ETIMEDOUT: errors.TimedOut,
};

const { inspect } = Deno;
const { decodeURIComponent } = globalThis;
/** The folder of our own modules: a place in them does not help the author of the handler. */
const OURS_PATH = decoded(new URL("../", import.meta.url).pathname);
/** A path may have spaces and parentheses: the runtime decodes what is not below the directory that it started in. */
const PLACE = new SafePattern(
  /(?:file:\/\/(?:(?!file:\/\/)[^\n"])+?|(?:data|blob|https?):[^\s()]+):\d+:\d+/g,
);
const SPACES = new SafePattern(/\s+/g);
/**
 * What the runtime advises where a permission is missing, in a source's words or an executable's, and for what: where
 * that is short and needs no quotes.
 */
const ADVICE = new SafePattern(
  /(?: access to "([\w./:[\]-]{1,60})")?, (?:run again with the|specify the required permissions during compilation using `deno compile) --allow-([\w-]+)(?: flag|`)/,
);
/** Bytes that travel in a report. */
const MOST = 200;
/** Of a long path its end is kept, so that something of the message is, too. */
const MOST_PLACE = 120;

/** Describes whatever was thrown. `most`: how many bytes it may have. */
export function describeError(error: unknown, most = MOST): string {
  try {
    if (!isA(error, Error)) return clip(oneLine(show(error)), most);
    const text = advise(oneLine(`${error.name}: ${error.message}`));
    const place = placeOf(error);
    if (place === undefined) return clip(text, most);
    const end = ` at ${slice(decoded(place), -MOST_PLACE)}`;
    return clip(text, most - lengthOf(encode(end))) + end;
  } catch {
    return "an error that cannot be shown"; // its own code threw
  }
}

function show(thrown: unknown): string {
  return typeof thrown === "string" ? thrown : inspect(thrown);
}

function placeOf(error: Error): string | undefined {
  return placeOutside(error) ?? firstPlace(error, () => true);
}

/** Where in a handler's code an error comes from, as the runtime wrote it; undefined when only ours is known to run. */
function placeOutside(error: Error): string | undefined {
  return firstPlace(error, (place) => !startsWith(decoded(place), OURS_PATH));
}

/** A path as a person knows it, of one in a URL; the path itself where it is none of a URL. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function firstPlace(
  { stack }: Error,
  isWanted: (place: string) => boolean,
): string | undefined {
  const text = `${stack ?? ""}`;
  PLACE.lastIndex = 0;
  for (let found; (found = exec(PLACE, text)) !== null;) {
    const place = replace(found[0], "file://", "");
    if (isWanted(place)) return place;
  }
  return undefined;
}

/** A message with our option in place of Deno's. */
function advise(text: string): string {
  const found = exec(ADVICE, text);
  if (found === null) return text;
  const name = found[1], kind = found[2];
  const grant = name === undefined ? kind : `${kind}=${name}`;
  const told = kind === "all"
    ? "which no --grant gives"
    : `which was not granted (--grant ${grant})`;
  const what = name === undefined ? "" : ` access to "${name}"`;
  return replace(text, ADVICE, `${what}, ${told}`);
}

/** A text without the ends of its lines. */
function oneLine(text: string): string {
  return trim(replace(text, SPACES, " "));
}

/** As much of a text as fits, whole characters. */
function clip(text: string, bytes: number): string {
  const room = new Uint8Array(bytes);
  const { read } = encodeInto(text, room);
  return slice(text, 0, read);
}

const { getpid } = cLibrary("getpid");

const STDERR = 2;
/** The name of the event that a listener on `process` gets for both. */
const UNCAUGHT = "uncaughtException";

/** Ends the wait for the connection that is served at this moment; undefined while none has been. */
let interrupt: ((error: unknown) => void) | undefined;
/** The first uncaught error. */
let struck: { error: unknown } | undefined;

/** Waits for a handler, or for an error that it does not catch. */
export function untilUncaught<T>(served: PromiseLike<T>): Promise<T> {
  // Not Promise.race: what never settles would keep every connection of a worker.
  return new Promise((resolve, reject) => {
    interrupt = reject;
    if (struck) reject(struck.error);
    follow(served, resolve, reject);
  });
}

/** Whether an error was not caught in this process. Returns true when its state is not to be trusted any more. */
export function sawUncaught(): boolean {
  return struck !== undefined;
}

/**
 * Ends this process for an error of our own, in one line. The runtime would say it in many, and read files
 * for them, which a sandbox takes for something else.
 */
export function giveUp(error: unknown): never {
  const line = `error: Process ${getpid()} ended: ${describeError(error)}\n`;
  try {
    write(STDERR, encode(line));
  } catch {
    // There is no reader.
  }
  return exitNow(1);
}

/**
 * Listens for errors that nobody catches; call it before the handler's module is loaded. While no connection
 * has been served such an error ends the process, as it would without us; later it ends the connection, unless
 * a listener of the handler's own says that it has been seen to (`preventDefault()`, or one on `process`).
 */
function catchUncaught(): void {
  const { PromiseRejectionEvent, ErrorEvent } = globalThis;
  const dispatch = globalThis.dispatchEvent.bind(globalThis);
  const { prototype } = Event;
  const isPrevented = getterOf<boolean>(prototype, "defaultPrevented");
  const typeOf = getterOf<string>(prototype, "type");
  const prevent = uncurry(prototype, "preventDefault");
  const stop = uncurry(prototype, "stopImmediatePropagation");
  const { prototype: rejection } = PromiseRejectionEvent;
  const ofRejection = {
    promise: getterOf<Promise<unknown>>(rejection, "promise"),
    reason: getterOf<unknown>(rejection, "reason"),
  };
  const ofError = {
    message: getterOf<string>(ErrorEvent.prototype, "message"),
    filename: getterOf<string>(ErrorEvent.prototype, "filename"),
    lineno: getterOf<number>(ErrorEvent.prototype, "lineno"),
    colno: getterOf<number>(ErrorEvent.prototype, "colno"),
    error: getterOf<unknown>(ErrorEvent.prototype, "error"),
  };
  /** The event that the handler's own listeners see instead of the runtime's. */
  let shown: Event | undefined;
  const listen = (
    kind: string,
    nodeKind: string,
    errorOf: (event: Event) => unknown,
    copyOf: (event: Event) => Event,
  ) =>
    addEventListener(kind, (event) => {
      if (event === shown || isPrevented(event) || !interrupt) return;
      // They are called when the event is over.
      if (hasNodeListener(nodeKind) || hasNodeListener(UNCAUGHT)) return;
      stop(event);
      prevent(event);
      const copy = shown = copyOf(event);
      if (dispatch(copy)) strike(errorOf(event));
    });
  listen(
    "unhandledrejection",
    "unhandledRejection",
    ofRejection.reason,
    (event) =>
      new PromiseRejectionEvent(typeOf(event), {
        __proto__: null,
        promise: ofRejection.promise(event),
        reason: ofRejection.reason(event),
        cancelable: true,
      } as PromiseRejectionEventInit),
  );
  listen(
    "error",
    UNCAUGHT,
    ofError.error,
    (event) =>
      new ErrorEvent(typeOf(event), {
        __proto__: null,
        message: ofError.message(event),
        filename: ofError.filename(event),
        lineno: ofError.lineno(event),
        colno: ofError.colno(event),
        error: ofError.error(event),
        cancelable: true,
      } as ErrorEventInit),
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

/**
 * Waits for what a handler returned, whatever has become of the methods of promises. It stands here, and not
 * beside the intrinsics: it is in the stack of each error, whose places the runtime looks up in modules that
 * this process alone has loaded.
 */
function follow<T>(
  promise: PromiseLike<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): void {
  // `await` asks for it once, now.
  const isBent = isPromise(promise) && !hasOwn(promise, "constructor") &&
    !isIntact(Promise.prototype, "constructor", Promise) &&
    put(promise, "constructor", as(Promise));
  void waitFor(promise, resolve, reject);
  if (isBent) put(promise, "constructor", undefined);
}

async function waitFor<T>(
  promise: PromiseLike<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): Promise<void> {
  let value: T;
  try {
    value = await promise;
  } catch (error) {
    return reject(error);
  }
  resolve(value);
}

/* Loads a person's module in a process that is already enclosed, within a limit of time; an error becomes one line. */

/** How long a module may take, in seconds. */
const MOST_SECONDS = 10;
/** Bytes of a reason that travel in a report. */
const MOST_BYTES = 420;

// deno-lint-ignore no-control-regex
const COLOURS = new SafePattern(/\x1b\[[\d;]*m/g);

/** Loads a handler. Throws `ServeError` when it cannot be used; the message says why, and where if that is known. */
export async function loadModule(
  options: ChildOptions,
): Promise<LoadedService> {
  keepStreams();
  catchUncaught();
  const { clearTimeout } = globalThis;
  const late = Promise.withResolvers<never>();
  // It also keeps the event loop alive for a module that waits without end.
  const timer = setTimeout(
    () =>
      late.reject(
        new ServeError(
          "handler",
          `the module did not finish loading within ${MOST_SECONDS} s: move slow or endless work into the handler`,
        ),
      ),
    1_000 * MOST_SECONDS,
  );
  try {
    return await untilUncaught(Promise.race([load(options), late.promise]));
  } catch (error) {
    throw isA(error, ServeError)
      ? error
      : new ServeError("handler", explain(error));
  } finally {
    clearTimeout(timer);
    interrupt = undefined; // an error ends the process, until the next is waited for
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
  const words = advise(text);
  const place = placeOutside(error);
  return place === undefined || includes(words, place)
    ? slice(words, 0, MOST_BYTES)
    : `${slice(words, 0, MOST_BYTES - place.length)} at ${decoded(place)}`;
}
