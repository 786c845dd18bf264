/**
 * `mpserv serve`: from the options to the last connection.
 *
 * @module
 */
import type { Inheritance } from "../../control/inheritance.ts";
import { type ChosenModel, startModel } from "../../model/choose.ts";
import {
  type ModelEvents,
  showRewinding,
  StartError,
} from "../../model/model.ts";
import {
  earlySpawned,
  earlyZygote,
  endRuntimes,
} from "../../model/runtime_process.ts";
import { closeOnExec } from "../../posix/fd.ts";
import { formatAddress } from "../../posix/net/address.ts";
import { setNoDelay } from "../../posix/net/sockets.ts";
import { isHangUpIgnored, setProcessName } from "../../posix/process.ts";
import { Totals, type TotalsSnapshot } from "../../server/events.ts";
import {
  type Listener,
  ListenError,
  openListener,
} from "../../server/listener.ts";
import {
  type Server,
  type ServerOptions,
  startServer,
} from "../../server/server.ts";
import {
  type ManagerVariables,
  takeManagerVariables,
} from "../../runtime/roles.ts";
import type { ChildOptions } from "../../wire/child_options.ts";
import { formatDuration } from "../options.ts";
import { UserError } from "../terminal.ts";
import { hintAtFilter, type Log, logEvents, openLog } from "./log.ts";
import { checkAdmission, gateOptions } from "./options/listen_options.ts";
import type { ServeOptions } from "./options/serve_options.ts";
import { later, type Resolved, resolveOptions } from "./resolve_options.ts";
import type { Notifier } from "./service_manager.ts";
import { openMetrics } from "./telemetry.ts";

const STDERR = 2;

/** Serves until it is told to end. Throws `UserError` when it cannot serve; the message says why. */
export async function serve(options: ServeOptions): Promise<number> {
  try {
    return await serveAll(options);
  } finally {
    if (options.handler !== undefined) {
      (await later.project()).removeProjects();
    }
  }
}

async function serveAll(options: ServeOptions): Promise<number> {
  setProcessName("mpserv");
  closeOnExec(STDERR); // what we were started with beside these is no business of our children
  const manager = takeManagerVariables();
  await using resolved = await resolveOptions(options);
  using sockets = await openSockets(options, manager);
  return await run(options, resolved, sockets, manager);
}

/** Serves to the end; the caller owns all arguments. */
async function run(
  options: ServeOptions,
  { child, code, proxies, warning }: Resolved,
  { listener, inheritance }: Sockets,
  manager: ManagerVariables | null,
): Promise<number> {
  const isAddressed = !("path" in listener.address) || proxies !== undefined;
  checkAdmission(options, isAddressed); // a socket that was passed may be a path's
  const keepTime = await timeKeeper(options, listener);
  const log = openLog(options.logLevel, options.logFormat);
  if (warning !== undefined) log.logger.warn(warning);
  const receiver = logEvents(log.logger, options.handler);
  using notifier = await openNotifier(manager, log);
  const metrics = await openMetrics(log.logger);
  const stop = new AbortController();
  const hurry = new AbortController();
  let active = () => 0;
  handleSignals(log, { stop, hurry, active: () => active() }, options);
  stop.signal.addEventListener("abort", () => code?.stop());
  let control: Promise<typeof import("./open_control.ts")> | undefined;
  const loadControl = () => control ??= import("./open_control.ts");
  const starting = start({
    listener,
    model: (watcher, events) => {
      const start = (own: Partial<ChildOptions>, events: ModelEvents) =>
        startModel(
          { ...options, child: { ...child, ...own } },
          watcher,
          events,
        );
      return code?.serve(start, events, log.logger) ?? start({}, events);
    },
    gate: { ...gateOptions(options), proxies },
    drainTimeout: options.drainTimeout,
    maxLifetime: options.maxLifetime,
    endsDescent: child.isMarked,
    receivers: [
      receiver,
      hintAtFilter(log.logger, child.sandbox),
      notifier ?? {},
      metrics ?? {},
    ],
  }, options);
  // If the server waits for its first process now, there is time to load it.
  if (options.control !== "none") void loadControl();
  const server = await unlessStopped(starting, stop.signal);
  if (server === null) {
    await endRuntimes(); // what was only starting
    return await leave(log, new Totals().snapshot());
  }
  const { chosen } = server;
  active = () => server.totals().active;
  using _keeper = keepTime?.(server);
  for (const early of [earlyZygote, earlySpawned]) early.end(); // another model was chosen, or others were wanted
  metrics?.begin(() => chosen.model.name);
  const path = inheritance?.path ?? options.control;
  const open = async () => {
    if (options.control === "none") return null;
    const { openControl } = await loadControl();
    const { logger } = log;
    const drain = () => stop.abort();
    const controlled = { server, listener, chosen, drain, logger };
    return await openControl(controlled, path, inheritance !== null);
  };
  // Open whatever can fail before accepting; everything else waits until clients are served.
  const early = path === undefined ? null : await open();
  greet(log, listener, chosen);
  const served = server.run(stop.signal, hurry.signal);
  using _control = early ?? await open();
  // Told to end before it had begun, it leaves the other server in its place.
  if (inheritance && !stop.signal.aborted) await takePlace(inheritance, log);
  notifier?.ready({ address: listener.address, model: chosen.model.name });
  await served;
  receiver.flush();
  return await leave(log, server.totals());
}

/** Says the last word; the exit code is the caller's. */
async function leave(
  log: Log,
  { accepted, served, refused }: TotalsSnapshot,
): Promise<number> {
  log.logger.info("server ended", {
    pid: Deno.pid,
    accepted,
    served,
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
  });
  await log.flush();
  return 0;
}

/** A process that has become a program keeps no time: the server does, if there is any to keep. */
async function timeKeeper(
  { program, idleTimeout, firstByteTimeout }: ServeOptions,
  { address }: Listener,
): Promise<((server: Server) => Disposable) | undefined> {
  if (program === undefined || !(idleTimeout || firstByteTimeout)) return;
  const { prepareTrafficWatch } = await later.traffic();
  return prepareTrafficWatch(address, { idleTimeout, firstByteTimeout });
}

async function takePlace(inheritance: Inheritance, log: Log): Promise<void> {
  const live = await inheritance.takePlace();
  log.logger.info("taken over", { from: inheritance.from, live });
}

async function start(
  options: ServerOptions,
  { model, handler }: ServeOptions,
): Promise<Server> {
  try {
    return await startServer(options);
  } catch (error) {
    if (handler !== undefined) await endRuntimes(); // of what is written for them they would say that it is gone
    const { message } = error as Error;
    throw new UserError(
      error instanceof StartError && error.failure === "handler"
        ? `Cannot use handler "${handler}": ${message.replace(/\.$/, "")}${
          hintAtBundle(handler!, message)
        }`
        : `Cannot serve with --model ${model}: ${message}`,
    );
  }
}

/** Recognizes a module that a compiled server cannot load by Deno's message, or by its place. */
function hintAtBundle(handler: string, message: string): string {
  const isOfImport =
    /import|module|specifier|packages|\b(npm|jsr|https?):|\.([cm]?tsx?|jsx):\d/i
      .test(message);
  return Deno.build.standalone && isOfImport
    ? `: a compiled server accepts only JavaScript that imports files: make one file with \`deno bundle -o bundle.js ${handler}\``
    : "";
}

async function openNotifier(
  manager: ManagerVariables | null,
  { logger }: Log,
): Promise<Notifier | null> {
  if (!manager?.NOTIFY_SOCKET) return null;
  return (await later.manager()).openNotifier(manager, logger);
}

function greet(
  log: Log,
  { address }: Listener,
  { model, why }: ChosenModel,
): void {
  const where = formatAddress(address);
  const target = "path" in address
    ? `--unix ${where}`
    : `${address.hostname} ${address.port}`;
  log.logger.info("listening on {address}", {
    address: where,
    model: model.name,
    why,
    rewind: model.rewinding ? showRewinding(model.rewinding) : undefined,
    pid: Deno.pid,
    connect: `mpserv client ${target}`,
  });
}

/* Handles the signals of a server. */

/**
 * The first SIGINT or SIGTERM drains, the second ends. SIGHUP (the terminal was closed) drains unless it was
 * ignored at the start (nohup(1)); it may come twice, from the shell and from the system.
 */
function handleSignals(
  { logger }: Log,
  { stop, hurry, active }: {
    stop: AbortController;
    hurry: AbortController;
    active: () => number;
  },
  { drainTimeout }: { readonly drainTimeout: number },
): void {
  // Before any listener: the first one makes the runtime catch SIGHUP, too.
  const isIgnored = isHangUpIgnored();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      logger.info("received {signal}", { signal });
      if (stop.signal.aborted) return hurry.abort();
      if (active() > 0 && drainTimeout > 0) {
        logger.info(
          "connections may finish for {time}: {again} ends them now",
          {
            time: formatDuration(drainTimeout),
            again: `a second ${signal === "SIGINT" ? "Ctrl-C" : signal}`,
          },
        );
      }
      stop.abort();
    });
  }
  // SIGPIPE needs nothing: the runtime ignores it.
  Deno.addSignalListener("SIGHUP", () => {
    if (isIgnored) return;
    logger.info("received {signal}", { signal: "SIGHUP" });
    stop.abort();
  });
}

/** Waits for the start; null if the server is told to end before that. */
function unlessStopped<Started>(
  starting: Promise<Started>,
  stop: AbortSignal,
): Promise<Started | null> {
  return new Promise((resolve, reject) => {
    starting.then(resolve, reject);
    stop.addEventListener("abort", () => resolve(null));
    if (stop.aborted) resolve(null);
  });
}

/* The socket that a server listens on: its own, one that its manager passed, or the running server's. */

/** The open sockets. */
interface Sockets extends Disposable {
  readonly listener: Listener;
  /** The running server's, which is to be taken over; null where none is. */
  readonly inheritance: Inheritance | null;
}

/** Opens the listening socket. It is the caller's to dispose of. Throws `UserError` when it cannot be opened. */
async function openSockets(
  options: ServeOptions,
  manager: ManagerVariables | null,
): Promise<Sockets> {
  const inheritance = await inherit(options);
  const listener = inheritance?.listener ?? await listen(options, manager);
  setDelay(options, listener);
  return {
    listener,
    inheritance,
    [Symbol.dispose]: () => {
      listener[Symbol.dispose]();
      inheritance?.[Symbol.dispose]();
    },
  };
}

/** The running server's socket; null when none is to be taken over. */
async function inherit(options: ServeOptions): Promise<Inheritance | null> {
  if (!options.takeOver) return null;
  return await (await later.takeOver()).inherit(options);
}

async function listen(
  options: ServeOptions,
  manager: ManagerVariables | null,
): Promise<Listener> {
  const { host, port, unix, backlog, fdName } = options;
  try {
    if (manager?.LISTEN_FDS !== undefined || fdName !== undefined) {
      const { listenForManager } = await later.manager();
      const passed = listenForManager(manager ?? {}, fdName);
      if (passed !== null) return passed;
    }
    return await openListener({
      host,
      port,
      backlog,
      ...(unix === undefined ? {} : { unix }),
    });
  } catch (error) {
    if (error instanceof ListenError) throw new UserError(error.message);
    throw error;
  }
}

/** Connections inherit it from their listener; a passed socket keeps the manager's setting unless one is typed. */
function setDelay(
  { noDelay }: ServeOptions,
  { fd, address, isManaged }: Listener,
): void {
  if ("path" in address || (!noDelay && isManaged)) return;
  setNoDelay(fd, noDelay);
}
