/**
 * `mpserv serve`: from the options to the last connection.
 *
 * @module
 */
import type { Inheritance } from "../../control/inheritance.ts";
import { type ChosenModel, startModel } from "../../model/choose.ts";
import { type ModelEvents, StartError } from "../../model/model.ts";
import {
  earlySpawned,
  earlyZygote,
  endRuntimes,
} from "../../model/runtime_process.ts";
import { closeOnExec, openDescriptors } from "../../posix/fd.ts";
import { formatAddress } from "../../posix/net/address.ts";
import { setNoDelay } from "../../posix/net/sockets.ts";
import { descriptorLimit, setProcessName } from "../../posix/process.ts";
import { grantKind } from "../../runtime/permissions.ts";
import {
  type Listener,
  ListenError,
  openListener,
} from "../../server/listener.ts";
import type { ProxySource } from "../../server/proxy/proxy_source.ts";
import {
  type Server,
  type ServerOptions,
  startServer,
} from "../../server/server.ts";
import { Totals, type TotalsSnapshot } from "../../server/events.ts";
import type { Notifier } from "../../server/systemd/manager.ts";
import {
  type ManagerVariables,
  takeManagerVariables,
} from "../../server/systemd/variables.ts";
import type { ChildOptions } from "../../wire/child_options.ts";
import type { SandboxChoice, ServiceChoice } from "../../wire/choices.ts";
import { load } from "../programs.ts";
import { UserError } from "../terminal.ts";
import type { HandlerOptions } from "./handler.ts";
import { hintAtFilter, type Log, logEvents, openLog } from "./log.ts";
import { checkAdmission, gateOptions } from "./options/listen_options.ts";
import {
  asksForAttributes,
  type ServeOptions,
} from "./options/serve_options.ts";
import { inFull } from "./options/service_options.ts";
import { resolveSandbox } from "./resolve_sandbox.ts";
import { handleSignals, unlessStopped } from "./signals.ts";
import { openMetrics } from "./telemetry.ts";
import type { WatchedHandler } from "./watch/watch.ts";

/** What is seldom wanted. */
const later = {
  project: () =>
    load<typeof import("./project/find_project.ts")>(
      "./serve/project/find_project.ts",
    ),
  traffic: () => load<typeof import("./traffic.ts")>("./serve/traffic.ts"),
  takeOver: () => load<typeof import("./take_over.ts")>("./serve/take_over.ts"),
  watch: () =>
    load<typeof import("./watch/watch.ts")>("./serve/watch/watch.ts"),
  handler: () => load<typeof import("./handler.ts")>("./serve/handler.ts"),
  process: () =>
    load<typeof import("./resolve_process.ts")>("./serve/resolve_process.ts"),
  manager: () =>
    load<typeof import("./service_manager.ts")>("./serve/service_manager.ts"),
  proxy: () =>
    load<typeof import("../../server/proxy/proxy_source.ts")>(
      "../server/proxy/proxy_source.ts",
    ),
};

/** Descriptors that the parent wants beyond what is open and what its spares need. */
const HEADROOM = 16;
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
  checkDescriptors(options.spares);
  const proxies = await proxiesOf(options);
  await using code = await watchedCode(options);
  const { sandbox, warning } = resolveSandbox(options, options);
  const project = code ? null : await projectOf(options);
  const child = await childOptions(options, code ?? project, sandbox);
  using inheritance = await inherit(options);
  using listener = inheritance?.listener ?? await listen(options, manager);
  setDelay(options, listener);
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
  // Until the first process is there, there is time to load it.
  const control = options.control === "none"
    ? null
    : import("./open_control.ts");
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
      hintAtFilter(log.logger, sandbox),
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
    if (control === null) return null;
    const { openControl } = await control;
    const { logger } = log;
    const drain = () => stop.abort();
    const controlled = { server, listener, chosen, drain, logger };
    return await openControl(controlled, path, inheritance !== null);
  };
  // What may be refused is opened before anything is accepted; else clients come first.
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

/** Connections inherit it from their listener; a passed socket keeps the manager's setting unless one is typed. */
function setDelay(
  { noDelay }: ServeOptions,
  { fd, address, isManaged }: Listener,
): void {
  if ("path" in address || (!noDelay && isManaged)) return;
  setNoDelay(fd, noDelay);
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

/** The running server's socket; null when none is to be taken over. */
async function inherit(options: ServeOptions): Promise<Inheritance | null> {
  if (!options.takeOver) return null;
  return await (await later.takeOver()).inherit(options);
}

async function takePlace(inheritance: Inheritance, log: Log): Promise<void> {
  const live = await inheritance.takePlace();
  log.logger.info("taken over", { from: inheritance.from, live });
}

/** With `--watch`, the handler's code as it is at this moment, and from then on. */
async function watchedCode(
  { watch, handler, grant = [], ...options }: ServeOptions,
): Promise<WatchedHandler | undefined> {
  if (!watch || handler === undefined) return undefined;
  const { WatchedHandler } = await later.watch();
  return await WatchedHandler.open(handler, {
    ...options,
    grants: grant.map(inFull),
  });
}

/** The handler, and the project in which it runs; null where another service does. */
async function projectOf(
  { handler, grant, ...options }: ServeOptions,
): Promise<HandlerOptions | null> {
  if (handler === undefined) return null;
  const { findHandler, refuseProject } = await later.handler();
  const module = await findHandler(handler, grant ?? []);
  const grants = (grant ?? []).map(inFull);
  if (Deno.build.standalone) {
    refuseProject(options);
    return { service: { module }, grants };
  }
  const { findProject } = await later.project();
  const project = await findProject(handler, module, {
    ...options,
    grants,
  });
  return {
    service: { module, project },
    grants: [...grants, ...project.grants],
  };
}

async function childOptions(
  options: ServeOptions,
  handler: HandlerOptions | null,
  sandbox: SandboxChoice,
): Promise<ChildOptions> {
  const { idleTimeout, firstByteTimeout, grant, program } = options;
  const kinds = grant?.map(grantKind) ?? [];
  return {
    idleTimeout: idleTimeout ?? 0,
    firstByteTimeout: firstByteTimeout ?? 0,
    // A program has its variables already, and no Deno in it.
    ...handler ?? { service: await ownService(options), grants: [] },
    attributes: await chooseAttributes(options),
    sandbox,
    // Only these can start processes.
    isMarked: program !== undefined || kinds.includes("run") ||
      kinds.includes("ffi"),
  };
}

async function ownService(options: ServeOptions): Promise<ServiceChoice> {
  const { program, service } = options;
  if (program === undefined) return { name: service };
  const { resolveProgram } = await later.process();
  return { program: resolveProgram(program, options) };
}

/** Users, limits and so on are looked up where one of them was asked for. */
async function chooseAttributes(
  options: ServeOptions,
): Promise<ChildOptions["attributes"]> {
  if (!asksForAttributes(options)) return undefined;
  return (await later.process()).resolveAttributes(options);
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
        ? `Cannot use handler "${handler}": ${message}${
          hintAtBundle(handler!, message)
        }`
        : `Cannot serve with --model ${model}: ${message}`,
    );
  }
}

/** What a compiled server cannot load is known by Deno's words for it, or by its place. */
function hintAtBundle(handler: string, message: string): string {
  const isOfImport =
    /import|module|specifier|packages|\b(npm|jsr|https?):|\.([cm]?tsx?|jsx):\d/i
      .test(message);
  return Deno.build.standalone && isOfImport
    ? `: a compiled server accepts only JavaScript that imports files: make one file with \`deno bundle -o bundle.js ${handler}\``
    : "";
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

async function openNotifier(
  manager: ManagerVariables | null,
  { logger }: Log,
): Promise<Notifier | null> {
  if (!manager?.NOTIFY_SOCKET) return null;
  return (await later.manager()).openNotifier(manager, logger);
}

/** Who speaks the PROXY protocol; undefined where clients connect themselves. */
async function proxiesOf(
  { proxyProtocol, proxyTimeout }: ServeOptions,
): Promise<ProxySource | undefined> {
  if (proxyProtocol === undefined) return undefined;
  const { proxySource } = await later.proxy();
  return proxySource(proxyProtocol, proxyTimeout);
}

/** Two descriptors a spare while it starts, and some for what the runtime opens as it goes. */
function checkDescriptors(spares: number): void {
  const limit = descriptorLimit();
  const wanted = openDescriptors(Math.min(limit, 4096)).length + 2 * spares +
    HEADROOM;
  if (limit >= wanted) return;
  throw new UserError(
    `Cannot serve with ${limit} descriptors: at least ${wanted} are needed: raise the limit with \`ulimit -n 1024\``,
  );
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
    pid: Deno.pid,
    connect: `mpserv client ${target}`,
  });
}
