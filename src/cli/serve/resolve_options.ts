/**
 * Looks up the options of a server: service, user, sandbox and proxies.
 * It reports impossible ones before anything is opened.
 *
 * @module
 */
import { descriptorLimit } from "../../posix/process.ts";
import { openDescriptors } from "../../posix/fd.ts";
import { VERDICTS, whyNoVerdict } from "../../posix/seccomp/filter.ts";
import { missingLocks } from "../../posix/landlock_abi.ts";
import { grantKind } from "../../runtime/permissions.ts";
import type { ProxySource } from "../../server/proxy/proxy_source.ts";
import type { ChildOptions } from "../../wire/child_options.ts";
import type {
  SANDBOX_LEVELS,
  SandboxChoice,
  ServiceChoice,
} from "../../wire/choices.ts";
import { load } from "../programs.ts";
import { UserError } from "../terminal.ts";
import type { HandlerOptions } from "./handler.ts";
import {
  type ProcessOptions,
  rewindsOf,
  type ServeOptions,
} from "./options/serve_options.ts";
import type { WatchedHandler } from "./watch/watch.ts";

/** Modules that are rarely needed. */
export const later = {
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

/** Descriptors that the parent needs besides the open ones and those of its spares. */
const HEADROOM = 16;

/** The options, looked up. */
export interface Resolved extends AsyncDisposable {
  /** The proxies; undefined if clients connect directly. */
  readonly proxies: ProxySource | undefined;
  /** The handler's code, which is watched; undefined where none is. */
  readonly code: WatchedHandler | undefined;
  /** The options for connection processes. */
  readonly child: ChildOptions;
  /** A warning about missing protection; undefined if none is missing. */
  readonly warning: string | undefined;
}

/**
 * Looks up the options. It is the caller's to dispose of. Throws `UserError` when it cannot be; the message says why.
 */
export async function resolveOptions(options: ServeOptions): Promise<Resolved> {
  checkDescriptors(options.spares);
  const proxies = await proxiesOf(options);
  const code = await watchedCode(options);
  const dispose = async () => await code?.[Symbol.asyncDispose]();
  try {
    const { sandbox, warning } = resolveSandbox(options, options);
    const handler = code ?? await projectOf(options);
    const child = await childOptions(options, handler, sandbox);
    return { proxies, code, child, warning, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
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
    rewinds: rewindsOf(options),
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

/** The proxies; undefined if clients connect directly. */
async function proxiesOf(
  { proxyProtocol, proxyTimeout }: ServeOptions,
): Promise<ProxySource | undefined> {
  if (proxyProtocol === undefined) return undefined;
  const { proxySource } = await later.proxy();
  return proxySource(proxyProtocol, proxyTimeout);
}

/** Two descriptors for each starting spare, and some for the runtime. */
function checkDescriptors(spares: number): void {
  const limit = descriptorLimit();
  const wanted = openDescriptors(Math.min(limit, 4096)).length + 2 * spares +
    HEADROOM;
  if (limit >= wanted) return;
  throw new UserError(
    `Cannot serve with ${limit} descriptors: at least ${wanted} are needed: raise the limit with \`ulimit -n 1024\``,
  );
}

/* Chooses the sandbox of connection processes. */

interface SandboxOptions {
  /** How much is refused; undefined for what fits what serves. */
  sandbox?: typeof SANDBOX_LEVELS[number] | undefined;
}

/** The service, as far as the sandbox depends on it. */
interface SandboxedService {
  /** A program's command line. */
  readonly program?: readonly string[] | undefined;
  /** A handler's module. */
  readonly handler?: string | undefined;
  /** The permissions of a handler. */
  readonly grant?: readonly string[] | undefined;
}

/** The sandbox that connection processes get. Throws `UserError` when a person asked for what this kernel has not. */
function resolveSandbox(
  { sandbox }: SandboxOptions,
  { program, handler }: SandboxedService,
): { sandbox: SandboxChoice; warning?: string } {
  const level = sandbox ?? (program || handler ? "default" : "strict");
  const isWanted = sandbox === "strict";
  if (level === "off") {
    return { sandbox: { level, isWanted: false, hasFilters: false } };
  }
  // A program keeps its user's rights; Landlock encloses all others.
  const unlocked = program ? null : missingLocks();
  const warn = (filters: string | null = null) => {
    const locks = unlocked &&
      `The sandbox is incomplete: ${unlocked}`;
    const warning = [filters, locks].filter((said) => said !== null).join("; ");
    return warning ? { warning } : {};
  };
  if (level === "strict") {
    const why = whyNoVerdict(VERDICTS.notify);
    if (isWanted && (why ?? unlocked)) {
      throw new UserError(
        `Cannot use --sandbox strict: ${why ?? unlocked}: leave the option out`,
      );
    }
    if (why === undefined) {
      return {
        sandbox: { level, isWanted, hasFilters: true },
        ...warn(),
      };
    }
  }
  const why = whyNoVerdict(VERDICTS.kill);
  const hasFilters = why === undefined;
  return {
    sandbox: { level: "default", isWanted: false, hasFilters },
    ...warn(hasFilters ? null : `Cannot filter system calls: ${why}`),
  };
}

/** Whether any of it was typed. */
function asksForAttributes(options: ProcessOptions): boolean {
  const { user, chdir, umask, nice } = options;
  const { limitCpu, limitMemory, limitFiles, limitProcesses } = options;
  return [user, chdir, umask, nice, limitCpu, limitMemory, limitFiles]
    .some((one) => one !== undefined) || limitProcesses !== undefined;
}

/** A grant whose path does not depend on a directory that may be removed. `grant`: such as `read=quotes.txt`. */
function inFull(grant: string): string {
  const [kind, path] = grant.split(/=(.*)/s, 2);
  if (path === undefined || path.startsWith("/")) return grant;
  const isPath = kind === "read" || kind === "write" ||
    kind === "run" && path.includes("/"); // else it is looked for in PATH
  return isPath ? `${kind}=${Deno.cwd()}/${path}` : grant;
}
