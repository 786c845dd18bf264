/**
 * Finds whatever a module keeps open or running after it was loaded. Children that are forked from this
 * process would share its sockets and the offsets of its files, so that one client could get another's
 * answer; and they would lack its threads and its pending operations. So a process in which anything of
 * the kind is left is not forked.
 *
 * @module
 */
import { formatAddress } from "../posix/net/address.ts";
import { isListening, ownAddress, peerAddress } from "../posix/net/sockets.ts";
import {
  descriptorTarget,
  listProcDirectory,
  readProcFile,
} from "../posix/proc.ts";
import { internals } from "../runtime/permissions.ts";
import { isCache } from "../sandbox/enter.ts";
import type { Replaced } from "./replaced.ts";

/** How long it is waited for what ends by itself, such as a file that is being closed: milliseconds. */
const PATIENCE = 500;
const LOOK = 10;

/** The runtime's data about itself; not public, but the same in all supported versions. */
interface Runtime {
  /** The open resources, by number. */
  resources(): Record<string, string>;
  /** Starts or stops to note operations. */
  setLeakTracingEnabled(on: boolean): void;
  /** Those that are pending, by kind. */
  getAllLeakTraces(): ReadonlyMap<number, unknown>;
}

/** Kinds of {@linkcode Runtime.getAllLeakTraces} beside operations: deno_core, `RuntimeActivityType`. */
const KINDS: Readonly<Record<number, string>> = {
  2: "a timer",
  3: "a timer",
};

/** Parts of the runtime's names for what operations wait for. */
const RESOURCES: Readonly<Record<string, string>> = {
  signal: "a signal listener",
  messagePort: "a message port",
  BroadcastChannel: "a BroadcastChannel",
};

/** The advice. */
const OPEN = "open it in the handler";
const START = "start it in the handler";

/** Finds what a module leaves open or running. */
export class Leftovers {
  readonly #runtime: Runtime;
  readonly #descriptors: ReadonlyMap<number, string>;
  readonly #resources: Record<string, string>;
  readonly #threads: ReadonlySet<string>;
  readonly #shared: ReadonlySet<string>;
  readonly #replaced: Replaced;

  /** Notes the state before the module is loaded. */
  constructor(replaced: Replaced) {
    this.#replaced = replaced;
    this.#runtime = internals.core;
    this.#descriptors = descriptors();
    this.#threads = new Set(listProcDirectory("/proc/self/task"));
    this.#shared = sharedMappings();
    this.#resources = this.#runtime.resources();
    this.#runtime.setLeakTracingEnabled(true);
  }

  /**
   * Compares with the state after the module was loaded. Returns the leftover with an advice, such as
   * `a socket to 127.0.0.1:5432 open: open it in the handler`; undefined when nothing does.
   */
  async find(): Promise<string | undefined> {
    this.#replaced.undo();
    const end = performance.now() + PATIENCE;
    let before: string | undefined;
    let left = this.#find();
    // Something seen only once may be a temporary state of the runtime.
    while (left !== undefined && (left !== before || performance.now() < end)) {
      before = left;
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      this.#replaced.undo();
      left = this.#find();
    }
    this.#runtime.setLeakTracingEnabled(false);
    return left;
  }

  #find(): string | undefined {
    const threads = listProcDirectory("/proc/self/task")
      .filter((thread) => !this.#threads.has(thread))
      .flatMap((thread) => nameOf(`/proc/self/task/${thread}`) ?? [])
      .filter((name) => !name.startsWith("tokio-")); // the pool for blocking work is parked
    let opened = [...descriptors()].filter(([fd, target]) =>
      this.#descriptors.get(fd) !== target && !isHarmless(target)
    );
    // Half a second after its own start the runtime starts a thread that hears signals, with a pair of sockets.
    const own = threads.indexOf(nameOf(`/proc/self/task/${Deno.pid}`) ?? "");
    const pair = opened.filter(isUnnamed);
    if (own >= 0 && pair.length === 2) {
      threads.splice(own, 1);
      opened = opened.filter((one) => !pair.includes(one));
    }
    if (threads[0] !== undefined) {
      return `a thread ("${threads[0]}") running: ${START}`;
    }
    for (const [fd, target] of opened) {
      return `${describe(fd, target)} open: ${OPEN}`;
    }
    for (const mapping of sharedMappings()) {
      if (!this.#shared.has(mapping)) {
        return `shared memory (${mapping}) mapped: ${OPEN}`;
      }
    }
    for (const kind of this.#runtime.getAllLeakTraces().keys()) {
      const what = KINDS[kind] ?? this.#waitsFor() ?? "an operation";
      return `${what} running: ${START}`;
    }
    return undefined;
  }

  /** The likely owner of a pending operation. A resource without one is memory, of which children get copies. */
  #waitsFor(): string | undefined {
    const resources = this.#runtime.resources();
    for (const [number, name] of Object.entries(resources)) {
      if (this.#resources[number] === name) continue;
      const known = Object.keys(RESOURCES).find((part) => name.includes(part));
      if (known !== undefined) return RESOURCES[known];
    }
    return undefined;
  }
}

/** The kind of each descriptor of this process. */
function descriptors(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of listProcDirectory("/proc/self/fd")) {
    const target = descriptorTarget(name);
    if (target !== null) found.set(Number(name), target); // else it was for the list itself
  }
  return found;
}

/** Has no offset that one child could move for another, or is not to be used any more. */
function isHarmless(target: string): boolean {
  return /^\/dev\/(null|zero|full|u?random)$/.test(target) || isCache(target);
}

function describe(fd: number, target: string): string {
  if (target.startsWith("socket:")) {
    const [own, peer] = [ownAddress(fd), peerAddress(fd)];
    if (peer) return `a socket to ${formatAddress(peer)}`;
    if (!own) return "a socket";
    return `a ${isListening(fd) ? "listening " : ""}socket on ${
      formatAddress(own)
    }`;
  }
  if (target.startsWith("pipe:")) return "a pipe";
  const kind = /^anon_inode:\[?(\w+)/.exec(target)?.[1];
  if (kind === "inotify") return "a watcher of files";
  if (kind === "pidfd") return "a subprocess";
  return kind === undefined ? `the file "${target}"` : `a descriptor (${kind})`;
}

/** The name of a process or a thread; null when it has ended. */
function nameOf(directory: string): string | null {
  try {
    return readProcFile(`${directory}/comm`).trim();
  } catch {
    return null;
  }
}

/** Whether a descriptor is a socket in this machine's memory that has no name, and whose peer has none. */
function isUnnamed([fd, target]: [number, string]): boolean {
  if (!target.startsWith("socket:")) return false;
  return [ownAddress(fd), peerAddress(fd)].every((address) =>
    address !== null && "path" in address && !address.path
  );
}

/** Memory that a fork does not copy, as parts of lines of proc_pid_maps(5). */
function sharedMappings(): Set<string> {
  const found = new Set<string>();
  for (const line of readProcFile("/proc/self/maps").split("\n")) {
    // start-end permissions offset device inode path
    const [, path = ""] = /^\S+ ..?.?s \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
    if (path !== "") found.add(path);
  }
  return found;
}
