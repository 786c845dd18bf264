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
import { setProcessName } from "../../posix/process.ts";
import { Totals, type TotalsSnapshot } from "../../server/events.ts";
import type { Listener } from "../../server/listener.ts";
import {
  type Server,
  type ServerOptions,
  startServer,
} from "../../server/server.ts";
import {
  type ManagerVariables,
  takeManagerVariables,
} from "../../server/systemd/variables.ts";
import type { ChildOptions } from "../../wire/child_options.ts";
import { UserError } from "../terminal.ts";
import { hintAtFilter, type Log, logEvents, openLog } from "./log.ts";
import { openSockets, type Sockets } from "./open_sockets.ts";
import { checkAdmission, gateOptions } from "./options/listen_options.ts";
import type { ServeOptions } from "./options/serve_options.ts";
import { later, type Resolved, resolveOptions } from "./resolve_options.ts";
import type { Notifier } from "./service_manager.ts";
import { handleSignals, unlessStopped } from "./signals.ts";
import { openMetrics } from "./telemetry.ts";

const STDERR = 2;

/**
 * Serves until it is told to end.
 *
 * @throws {UserError} When it cannot serve; the message says why.
 */
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
  // If the server waits for its first process now, there is time to load it.
  if (options.control !== "none") setTimeout(loadControl, 0);
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
