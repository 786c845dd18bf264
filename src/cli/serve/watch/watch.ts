/**
 * `mpserv serve --handler FILE --watch`: when the handler's code changes, new connections get processes
 * with the new code. The listener stays, and connections that are served finish on the code they began
 * with. If the code does not load, the log says so and the old code stays in use.
 *
 * @module
 */
import { type ChosenModel, Generations } from "../../../model/choose.ts";
import { type ModelEvents, StartError } from "../../../model/model.ts";
import { findHandler, type HandlerOptions, refuseProject } from "../handler.ts";
import type { Log } from "../log.ts";
import {
  findProject,
  type ProjectOptions,
  readProject,
} from "../project/find_project.ts";
import {
  type ModuleFiles,
  readFiles,
  readModuleFiles,
  sameFiles,
  Snapshot,
} from "../project/module_files.ts";

const { dirname, resolve } = await import("node:path");

/** How long files must be left alone before they are read, in milliseconds: editors write in steps. */
const QUIET = 100;
/** How long after processes could not be started for good code it is tried again, in milliseconds. */
const RETRY = 1_000;

/** Starts a model whose processes load a handler. */
type StartModel = (
  handler: HandlerOptions,
  events: ModelEvents,
) => Promise<ChosenModel>;

/** A handler's code, and what serves it. */
export class WatchedHandler implements AsyncDisposable {
  readonly #path: string;
  readonly #url: string;
  readonly #options: ProjectOptions;
  /** As they were when they were last loaded, well or not. */
  #files: ModuleFiles;
  /** Of the code that serves. */
  #snapshot: Snapshot;
  /** How the code of each is served with. */
  readonly #prepared = new WeakMap<Snapshot, HandlerOptions>();
  #watcher: Deno.FsWatcher | undefined;
  #watching: Promise<void> | undefined;
  #stopped = false;

  private constructor(path: string, url: string, options: ProjectOptions) {
    this.#path = path;
    this.#url = url;
    this.#options = options;
    this.#files = readHandler(url, options);
    this.#snapshot = new Snapshot(this.#files);
  }

  /**
   * Finds a handler, and keeps its code. Returns the handler, to be closed. Throws `UserError` when it cannot be used.
   */
  static async open(
    path: string,
    options: ProjectOptions,
  ): Promise<WatchedHandler> {
    const url = await findHandler(path, options.grants);
    const handler = new WatchedHandler(path, url, options);
    try {
      await handler.#prepare(handler.#snapshot);
      return handler;
    } catch (error) {
      handler.#snapshot.remove();
      throw error;
    }
  }

  /**
   * Starts the first model, and from then on another one for each change. Throws `Error` when the first cannot run
   * here.
   */
  async serve(
    startModel: StartModel,
    events: ModelEvents,
    log: Log["logger"],
  ): Promise<ChosenModel> {
    const start = (snapshot: Snapshot) =>
      startModel(
        this.#prepared.get(snapshot)!,
        withOriginalPlaces(events, snapshot),
      );
    const first = await start(this.#snapshot);
    const generations = new Generations(first.model);
    this.#watching = this.#watch(generations, start, log);
    return { ...first, model: generations };
  }

  /** Stops watching and removes the copies; call it when no process is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#watching;
    this.#snapshot.remove();
  }

  get service(): HandlerOptions["service"] {
    return this.#prepared.get(this.#snapshot)!.service;
  }

  get grants(): HandlerOptions["grants"] {
    return this.#prepared.get(this.#snapshot)!.grants;
  }

  stop(): void {
    this.#stopped = true;
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Finds out how processes load a snapshot: as the project itself would be, which has its packages then. */
  async #prepare(snapshot: Snapshot): Promise<void> {
    const { grants } = this.#options;
    const module = snapshot.urlOf(this.#url);
    if (Deno.build.standalone) {
      refuseProject(this.#options);
      this.#prepared.set(snapshot, { service: { module }, grants });
      return;
    }
    const options = this.#options;
    await findProject(this.#path, this.#url, options);
    const { config } = options;
    const project = await findProject(this.#path, module, {
      ...options,
      config: config === undefined || config === "none"
        ? config
        : snapshot.pathOf(resolve(config)),
    });
    this.#prepared.set(snapshot, {
      service: { module, project },
      grants: [
        ...grants.flatMap((grant) => [grant, ...copiedGrant(grant, snapshot)]),
        ...project.grants,
      ],
    });
  }

  /** The files as they are; while their configuration cannot be understood, those that were there. */
  #readAgain(): ModuleFiles {
    try {
      return readHandler(this.#url, this.#options);
    } catch {
      return readFiles([...this.#files.keys()]);
    }
  }

  async #watch(
    generations: Generations,
    start: (snapshot: Snapshot) => Promise<ChosenModel>,
    log: Log["logger"],
  ): Promise<void> {
    try {
      for (let isDue = true; !this.#stopped;) {
        // After each change the handler's files may be in other directories.
        const watcher = Deno.watchFs(directoriesOf(this.#files), {
          recursive: false,
        });
        this.#watcher = watcher;
        const files = await this.#nextChange(watcher, isDue ? Infinity : RETRY);
        if (files === null) return;
        this.#files = files;
        isDue = await this.#reload(generations, start, log);
      }
    } catch (error) {
      log.warn("Cannot watch {handler}: {why}", {
        handler: this.#path,
        why: (error as Error).message,
      });
    }
  }

  /**
   * The files once they differ and have been left alone for a moment, or after so many milliseconds;
   * null when that is over.
   */
  async #nextChange(
    watcher: Deno.FsWatcher,
    latest: number,
  ): Promise<ModuleFiles | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = Promise.withResolvers<ModuleFiles | null>();
    const end = performance.now() + latest;
    const look = () => {
      const files = this.#readAgain();
      const isLate = performance.now() > end;
      if (isLate || !sameFiles(files, this.#files)) changed.resolve(files);
      else if (latest !== Infinity) wait(); // looks until it is late
    };
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(look, QUIET);
    };
    const listening = (async () => {
      wait(); // what changed before the watcher was there
      for await (const { kind } of watcher) if (kind !== "access") wait();
      changed.resolve(null);
    })();
    const files = await changed.promise;
    clearTimeout(timer);
    if (files !== null) watcher.close();
    await listening;
    return files;
  }

  /** Replaces what serves; false when the code is good and it is to be tried again. */
  async #reload(
    generations: Generations,
    start: (snapshot: Snapshot) => Promise<ChosenModel>,
    log: Log["logger"],
  ): Promise<boolean> {
    const began = performance.now();
    const before = this.#snapshot;
    const handler = this.#path;
    let next: Snapshot | undefined;
    try {
      const made = next = new Snapshot(this.#files);
      await this.#prepare(made);
      if (this.#stopped) {
        made.remove();
        return true;
      }
      await generations.replace(
        async () => (await start(made)).model,
        () => before.remove(),
      );
      this.#snapshot = made;
      const ms = Math.round(performance.now() - began);
      log.info("handler reloaded: new connections get the new code", {
        handler,
        model: generations.name,
        ms,
      });
      return true;
    } catch (error) {
      const { message } = error as Error;
      const why = (next?.originalPlaces(message) ?? message)
        .replace(/^Cannot use handler ".*?": /, "");
      next?.remove();
      log.warn("handler not reloaded: the old code stays in use", {
        handler,
        why,
      });
      return error instanceof StartError && error.failure === "handler";
    }
  }
}

function readHandler(url: string, options: ProjectOptions): ModuleFiles {
  return Deno.build.standalone
    ? readModuleFiles(url, resolvePath).files
    : readProject(url, options).files;
}

/** A compiled server knows files alone. */
function resolvePath(specifier: string, referrer: string): string | null {
  return /^(\.{0,2}\/|file:)/.test(specifier)
    ? URL.parse(specifier, referrer)?.href ?? null
    : null;
}

/** A grant for a file also covers its copy beside the module. */
function copiedGrant(grant: string, snapshot: Snapshot): string[] {
  const [, kind, path] = /^(read|write)=(.+)$/.exec(grant) ?? [];
  return path === undefined ? [] : [`${kind}=${snapshot.pathOf(path)}`];
}

/** Nearest first, of a file that is imported and has no directory yet. */
function directoriesOf(files: ModuleFiles): string[] {
  const directories = new Set<string>();
  for (const path of files.keys()) {
    let directory = dirname(path);
    while (!isDirectory(directory)) directory = dirname(directory);
    directories.add(directory);
  }
  return [...directories];
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return path === "/";
  }
}

/** Replaces places in the copy with those in the original files. */
function withOriginalPlaces(
  events: ModelEvents,
  snapshot: Snapshot,
): ModelEvents {
  return {
    ...events,
    done: (id, outcome, when) => {
      const text = snapshot.originalPlaces(outcome.text);
      events.done(id, { ...outcome, text }, when);
    },
    trouble: (what) => events.trouble(snapshot.originalPlaces(what)),
  };
}
