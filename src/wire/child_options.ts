/**
 * The options of a child, which the parent sends once, in a nameless file over its channel. An argument would show a
 * program's environment to every user of the machine (`ps`), is limited in length, and would have to be known when
 * the child is started.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { type Fd, memoryFile } from "../posix/fd.ts";
import { exitNow } from "../posix/forking.ts";
import { read, write } from "../posix/io.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { grantKind } from "../runtime/permissions.ts";
import { NO_PROJECT } from "../runtime/roles.ts";
import type {
  ProcessAttributes,
  SandboxChoice,
  ServiceChoice,
} from "./choices.ts";

/** How to serve. */
export interface ChildOptions {
  readonly service: ServiceChoice;
  /** Milliseconds without a byte after which a connection is ended; 0 for never. */
  readonly idleTimeout: number;
  /** Milliseconds that a client may take to send its first byte; 0 for no limit. */
  readonly firstByteTimeout: number;
  /** Permissions that handlers keep, by Deno's names: `net`, `read=/srv/data`. */
  readonly grants: readonly string[];
  /** The user and limits of the process; undefined if no such option was given. */
  readonly attributes?: ProcessAttributes | undefined;
  readonly sandbox: SandboxChoice;
  /** Whether it serves one connection after another. */
  readonly isPooled?: boolean | undefined;
  /** Whether its memory is rewound in between, and compared then with what it was; undefined for neither. */
  readonly rewinds?: "unchecked" | "checked" | undefined;
  /** Whether its descendants are marked, so that they end with its connection: see `posix/descent.ts`. */
  readonly isMarked?: boolean | undefined;
  /** The filter of its system calls, in base64, where the parent makes it: for all processes once. */
  readonly filter?: string | undefined;
}

const SOCK_STREAM = 1;

export function encodeOptions(options: ChildOptions): Uint8Array<ArrayBuffer> {
  const { service, idleTimeout, firstByteTimeout, ...rest } = options;
  const { grants, attributes, sandbox, isPooled, rewinds, isMarked, filter } =
    rest;
  return new TextEncoder().encode(JSON.stringify({
    service: shorter(service),
    ...{ idleTimeout, firstByteTimeout, grants, attributes, sandbox },
    ...{ isPooled, rewinds, isMarked, filter },
  }));
}

/** The part of it that a child needs. */
function shorter(service: ServiceChoice): unknown {
  if (!("module" in service) || !service.project) return service;
  const { module, project: { roots } } = service;
  return { module, project: { ...NO_PROJECT, roots } };
}

/**
 * Sends the options to a child, which may have gone: then its end comes over the channel. Throws `PosixError` when
 * descriptors or memory run out.
 */
export function sendOptions(channel: Fd, options: ChildOptions): void {
  const bytes = encodeOptions(options);
  using file = memoryFile("mpserv-options", bytes);
  try {
    if (file !== null) send(channel, file);
    else stream(channel, bytes);
  } catch (error) {
    const code = error instanceof PosixError ? error.code : "";
    if (code !== "EPIPE" && code !== "ECONNRESET") throw error;
  }
}

/** Where the system has no nameless files: what does not fit is written when the child reads. */
function stream(channel: Fd, bytes: Uint8Array<ArrayBuffer>): void {
  const [theirs, ours] = socketPair(SOCK_STREAM);
  using _ours = ours;
  send(channel, theirs);
  theirs.close();
  for (let at = 0; at < bytes.length;) {
    at += write(ours.number, bytes.subarray(at));
  }
}

function send(channel: Fd, file: Fd): void {
  sendFd(channel.number, new Uint8Array(1), file.number);
}

/** Waits for the options; ends this process when its parent has gone. */
export function receiveOptions(channel: Fd): ChildOptions {
  const received = receiveFd(channel.number, { wait: true, size: 1 });
  if (received === null || received === "end" || received.fd === null) {
    return exitNow(1);
  }
  using file = received.fd;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = read(file.number, buffer)) > 0;) {
    parts.push(buffer.slice(0, count));
  }
  const decoder = new TextDecoder();
  const text = parts.map((part) => decoder.decode(part, { stream: true }));
  return JSON.parse(text.join("")) as ChildOptions;
}

/** Files and directories of the person's project, which may be read until its module has loaded. */
export function rootsOf(service: ServiceChoice): string[] {
  if (!("module" in service)) return [];
  const { module, project } = service;
  return project
    ? [...project.roots]
    : [decodeURIComponent(new URL(".", module).pathname)];
}

/** The grants of a process until the module has been read. A compiled program reads it when it runs it. */
export function grantsToLoad({ grants, service }: ChildOptions): string[] {
  if (Deno.build.standalone && "module" in service) return [...grants, "read"];
  return [
    ...grants,
    ...ungranted(rootsOf(service), grants).map((path) => `read=${path}`),
  ];
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

/** Whether a path is another one, or below it. */
export function isWithin(path: string, root: string): boolean {
  const [inner, outer] = [path, root].map((it) => it.replace(/\/*$/, "/"));
  return inner!.startsWith(outer!);
}
