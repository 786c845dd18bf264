/**
 * What a parent tells a child when it starts it: one argument, and beside it, when it is to become a
 * program, the program on standard input. An argument would show the program's environment to every
 * user of the machine (`ps`), and is limited in length.
 *
 * @module
 */
import { exitNow } from "../posix/forking.ts";
import { read } from "../posix/io.ts";
import { grantKind } from "../runtime/permissions.ts";
import { NO_PROJECT } from "../runtime/roles.ts";
import type {
  ProcessAttributes,
  ProgramChoice,
  SandboxChoice,
  ServiceChoice,
} from "./choices.ts";

/** How to serve. */
export interface ChildOptions {
  /** What to do with connections. */
  readonly service: ServiceChoice;
  /** Milliseconds without a byte after which a connection is ended; 0 for never. */
  readonly idleTimeout: number;
  /** Milliseconds that a client may take to send its first byte; 0 for no limit. */
  readonly firstByteTimeout: number;
  /** Permissions that handlers keep, by Deno's names: `net`, `read=/srv/data`. */
  readonly grants: readonly string[];
  /** Who the process is and what it may use; undefined when nothing was asked for. */
  readonly attributes?: ProcessAttributes | undefined;
  /** What the system is to let it do. */
  readonly sandbox: SandboxChoice;
  /** Whether it serves one connection after another. */
  readonly isPooled?: boolean | undefined;
  /** Whether what it starts is marked, so as to end with its connection: see `posix/descent.ts`. */
  readonly isMarked?: boolean | undefined;
}

const STDIN = 0;

/** Writes the options as one argument. */
export function encodeOptions(options: ChildOptions): string {
  const { service, idleTimeout, firstByteTimeout, ...rest } = options;
  const { grants, attributes, sandbox, isPooled, isMarked } = rest;
  return JSON.stringify({
    service: shorter(service),
    ...{ idleTimeout, firstByteTimeout, grants, attributes, sandbox },
    ...{ isPooled, isMarked },
  });
}

/** What of it is an argument. */
function shorter(service: ServiceChoice): unknown {
  if ("program" in service) return { program: null };
  if (!("module" in service) || !service.project) return service;
  const { module, project: { roots } } = service;
  return { module, project: { ...NO_PROJECT, roots } };
}

/**
 * Writes what goes to the child's standard input.
 *
 * @returns JSON; null when there is nothing to say.
 */
export function encodeProgram(
  { service }: ChildOptions,
): Uint8Array<ArrayBuffer> | null {
  if (!("program" in service)) return null;
  return new TextEncoder().encode(JSON.stringify(service.program));
}

/**
 * Reads the options that {@linkcode encodeOptions} wrote, and the program if there is one.
 *
 * @throws {SyntaxError} When a person started this role by hand.
 */
export function decodeOptions(argument: string): ChildOptions {
  const options = JSON.parse(argument) as ChildOptions;
  if (!("program" in options.service)) return options;
  return { ...options, service: { program: receiveProgram() } };
}

function receiveProgram(): ProgramChoice {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = read(STDIN, buffer)) > 0;) {
    parts.push(buffer.slice(0, count));
  }
  const decoder = new TextDecoder();
  const text = parts.map((part) => decoder.decode(part, { stream: true }));
  try {
    return JSON.parse(text.join("")) as ProgramChoice;
  } catch {
    exitNow(1); // the parent went away before it had said all
  }
}

/**
 * Files and directories of the person's project, which may be read until its module has loaded.
 */
export function rootsOf(service: ServiceChoice): string[] {
  if (!("module" in service)) return [];
  const { module, project } = service;
  return project
    ? [...project.roots]
    : [decodeURIComponent(new URL(".", module).pathname)];
}

/**
 * What a process may until the person's module has been read. A compiled program reads it when it runs it.
 */
export function grantsToLoad({ grants, service }: ChildOptions): string[] {
  if (Deno.build.standalone && "module" in service) return [...grants, "read"];
  return [...grants, ...ungranted(rootsOf(service), grants).map(asGrant)];
}

/** Those of some paths that were not granted to be read. */
export function ungranted(
  paths: readonly string[],
  grants: readonly string[],
): string[] {
  const granted = grants.filter((grant) => grantKind(grant) === "read")
    .flatMap((grant) => grant === "read" ? ["/"] : grant.slice(5).split(","));
  return paths.filter((path) => !granted.some((root) => isWithin(path, root)));
}

/**
 * Whether a path is another one, or below it.
 *
 * @returns Whether it is; what links lead to does not count.
 */
export function isWithin(path: string, root: string): boolean {
  const [inner, outer] = [path, root].map((it) => it.replace(/\/*$/, "/"));
  return inner!.startsWith(outer!);
}

function asGrant(path: string): string {
  return `read=${path}`;
}
