/**
 * Starting a process of ours in another role, and telling it what to do: a spawned worker, or a zygote. The first
 * one starts before anybody needs it: a server's code takes as long to load as the process takes to start, and the
 * two go on at the same time.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { type Fd, memoryFile, setInherit } from "../posix/fd.ts";
import { hasChild } from "../posix/forking.ts";
import { askCredentials, socketPair } from "../posix/net/sockets.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { descriptorTarget } from "../posix/proc.ts";
import { startSomewhere } from "../posix/process.ts";
import { permissionFlags } from "../runtime/permissions.ts";
import {
  type Project,
  roleCommand,
  runtimeEnvironment,
  ZYGOTE_V8_FLAGS,
} from "../runtime/roles.ts";
import {
  type ChildOptions,
  grantsToLoad,
  sendOptions,
} from "../wire/child_options.ts";
import { LIBRARY } from "../zygote/machine_code/library.ts";

/**
 * Further flags of a zygote whose service is our own, so that all that children run is compiled while it is rehearsed,
 * after few calls; a person's handler is not called before there is a client, and each child would compile it. 50 calls
 * take what a start calls, too, for 13 ms: for a pool, which rehearses before it serves, and had 0.88 of the rate with
 * 100. Its functions are compiled each by itself, and not with what they call: half as much, at the same rate.
 */
const eagerFlags = (isPooled = false): readonly string[] => [
  `--invocation-count-for-turbofan=${isPooled ? 50 : 100}`,
  "--minimum-invocations-after-ic-update=10",
  ...(isPooled ? ["--no-turbo-inlining"] : []),
];

/**
 * Further flags of a zygote whose children serve a handler and rewind. What V8 has put off it would do for each
 * connection anew: parse a function when it is called first, drop the bytecode of one that was not called for
 * long, collect functions for Sparkplug until there are enough of them.
 */
const REWOUND_V8_FLAGS: readonly string[] = [
  "--no-lazy",
  "--no-flush-bytecode",
  "--no-sparkplug",
  "--no-turbo-inlining",
  "--invocation-count-for-turbofan=100",
  "--minimum-invocations-after-ic-update=25",
];

/**
 * The flags of a process that becomes a program with a limit of memory, which is less than the runtime has:
 * a thread of V8's own that wanted some at that moment would end it.
 */
const LIMITED_V8_FLAGS: readonly string[] = ["--single-threaded"];

/** How a process is started that is to be told more. */
interface Start {
  /** Its command line, but for the arguments of its role. */
  readonly line: ReturnType<typeof roleCommand>;
  readonly env: Readonly<Record<string, string>>;
}

/** How a process that serves is started. */
function childStart(options: ChildOptions): Start {
  const { service, attributes, grants, sandbox } = options;
  const isLimited = "program" in service &&
    attributes?.limits.memory !== undefined;
  const line = roleCommand("@child", [], {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    ...(isLimited && { v8Flags: LIMITED_V8_FLAGS }),
    isClosed: "module" in service,
    project: projectOf(options),
  });
  const env = runtimeEnvironment(grants);
  // A thread that finds the heap busy would make one of its own, after a look at how many processors
  // there are, in a file: a strict sandbox ends whoever opens one.
  const isStrict = sandbox.level === "strict" && sandbox.isWanted;
  return { line, env: isStrict ? { ...env, MALLOC_ARENA_MAX: "1" } : env };
}

// Opened once, and held for as long as zygotes may be started.
let library: Fd | null | undefined;

/** How a zygote is started. Few arenas and packed memory keep page tables small, for which each child pays. */
function zygoteStart(options: ChildOptions): Start {
  const isHandler = "module" in options.service;
  const further = !isHandler
    ? eagerFlags(options.isPooled)
    : options.rewinds
    ? REWOUND_V8_FLAGS
    : [];
  const line = roleCommand("@zygote", [], {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    v8Flags: [...ZYGOTE_V8_FLAGS, ...further],
    isClosed: isHandler,
    project: projectOf(options),
  });
  library = library === undefined ? openLibrary() : library;
  const preload = library &&
    { LD_PRELOAD: `/proc/${Deno.pid}/fd/${library.number}` };
  const env = runtimeEnvironment(options.grants);
  return { line, env: { ...env, MALLOC_ARENA_MAX: "1", ...preload } };
}

function projectOf({ service }: ChildOptions): Project | undefined {
  return "module" in service ? service.project : undefined;
}

/** Processes that the runtime started and will reap itself. */
const running = new Map<number, Deno.ChildProcess>();

/**
 * Notes a process of `Deno.Command`: where this process inherits others' children (`children.ts`), nobody
 * but the runtime may reap it, or the runtime would wait for its status forever.
 */
export function keepForRuntime(process: Deno.ChildProcess): Deno.ChildProcess {
  running.set(process.pid, process);
  void process.status.then(() => running.delete(process.pid));
  return process;
}

/** Whether no process is started any more. */
let isOver = false;

/**
 * Ends every process that is left, such as one that was only starting when another one could not, or when the server
 * is told to end: what it would say is said already. No other one is started any more. Resolves when none is left.
 */
export async function endRuntimes(): Promise<void> {
  isOver = true;
  const left = [...running.values()];
  for (const process of left) {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }
  await Promise.all(left.map(({ status }) => status));
}

/** Whether the runtime reaps a process. Returns true for those of {@linkcode keepForRuntime} that have not ended. */
export function isKeptForRuntime(pid: number): boolean {
  return running.has(pid);
}

/** A process of ours in another role. */
export interface RuntimeProcess {
  readonly pid: number;
  /** How it ended; the runtime reaps it. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Sends it signals; closed when it has ended. */
  readonly handle: ProcessHandle;
}

/**
 * Starts a process. `inherited`: descriptors that it is to have, inheritable: the arguments of its role. Throws
 * `Error` when descriptors or processes run out.
 */
function startRuntime(
  { line: { program, args }, env }: Start,
  inherited: readonly number[],
): RuntimeProcess {
  if (isOver) throw new Error("the server is ending");
  const process = keepForRuntime(
    startSomewhere((removed) =>
      new Deno.Command(program, {
        args: [...args, ...inherited.map(String), ...removed ? [removed] : []],
        stdin: "null",
        stdout: "inherit",
        stderr: "inherit",
        clearEnv: true,
        env,
      }).spawn()
    ),
  );
  const { pid, status } = process;
  // Nobody can have reaped it: the runtime does that on this thread, later.
  const handle = new ProcessHandle(pid, hasChild);
  void status.then(() => handle.close());
  return { pid, status, handle };
}

/** How processes of one role are started and ended. */
interface Kind<Started> {
  /** All that depends on the options and cannot be told later. */
  startOf(options: ChildOptions): Start;
  start(options: ChildOptions): Started;
  /** Kills an unused process and closes its descriptors. */
  end(started: Started): void;
}

/** Keeps one process until a process with the same start is needed. */
class Early<Started extends SpawnedProcess> {
  readonly #kind: Kind<Started>;
  #kept: { readonly key: string; readonly started: Started } | null = null;

  constructor(kind: Kind<Started>) {
    this.#kind = kind;
  }

  /** Starts one with guessed options: for other options another process is started. */
  start(options: ChildOptions): void {
    try {
      const started = this.#kind.start(options);
      this.#kept = { key: this.#keyOf(options), started };
    } catch {
      // The code that needs one reports the reason.
    }
  }

  /** The one that was started early, once; else a new one. It is told the options, and `own`, by its process id. */
  take(
    options: ChildOptions,
    own?: (pid: number) => Partial<ChildOptions>,
  ): Started {
    let started: Started;
    if (this.#kept !== null && this.#kept.key === this.#keyOf(options)) {
      ({ started } = this.#kept);
      this.#kept = null;
    } else started = this.#kind.start(options);
    try {
      const { channel, process } = started;
      sendOptions(channel, { ...options, ...own?.(process.pid) });
      return started;
    } catch (error) {
      this.#kind.end(started);
      throw error;
    }
  }

  /** Kills it if it is unused. */
  end(): void {
    if (this.#kept !== null) this.#kind.end(this.#kept.started);
    this.#kept = null;
  }

  #keyOf(options: ChildOptions): string {
    const { line, env } = this.#kind.startOf(options);
    return JSON.stringify([line, Object.entries(env).sort()]); // the runtime gives them in any order
  }
}

/** A spawned worker's process that was just started. */
interface SpawnedProcess {
  /** The process; the runtime reaps it. */
  readonly process: RuntimeProcess;
  /** The parent's end of its channel; the caller's to close. */
  readonly channel: Fd;
}

/** The first spawned worker, perhaps. */
export const earlySpawned: Early<SpawnedProcess> = new Early({
  startOf: childStart,
  start: startSpawned,
  end({ process, channel }) {
    channel.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
});

function startSpawned(options: ChildOptions): SpawnedProcess {
  const [channel, theirs] = socketPair();
  try {
    askCredentials(channel.number);
    // Only this child inherits the end: nothing else can be started before it is closed.
    setInherit(theirs.number, true);
    const process = startRuntime(childStart(options), [theirs.number]);
    return { process, channel };
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    theirs.close();
  }
}

/** The process and the parent's ends of its sockets, for {@linkcode Zygote} to close. */
interface ZygoteProcess {
  /** The process; the runtime reaps it. */
  readonly process: RuntimeProcess;
  /** Down, and up from the zygote alone. */
  readonly channel: Fd;
  /** Up, from its children. */
  readonly reports: Fd;
  /** Its end of the channel, as `/proc/PID/fd` shows it; null where nothing does. */
  readonly end: string | null;
}

/** Zygotes that have not ended. */
const zygotes = new Set<RuntimeProcess>();

/** The first zygote, perhaps. */
export const earlyZygote: Early<ZygoteProcess> = new Early({
  startOf: zygoteStart,
  start: startZygote,
  end({ process, channel, reports }) {
    for (const fd of [channel, reports]) fd.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
});

function startZygote(options: ChildOptions): ZygoteProcess {
  const [channel, theirChannel] = socketPair();
  const [reports, theirReports] = socketPair();
  try {
    askCredentials(reports.number);
    const theirs = [theirChannel.number, theirReports.number];
    for (const fd of theirs) setInherit(fd, true);
    const process = startRuntime(zygoteStart(options), theirs);
    zygotes.add(process);
    void process.status.then(() => zygotes.delete(process));
    addEventListener("unload", endZygotes); // again is the same
    const end = descriptorTarget(theirChannel.number);
    return { process, channel, reports, end };
  } catch (error) {
    channel.close();
    reports.close();
    throw error;
  } finally {
    theirChannel.close();
    theirReports.close();
  }
}

/**
 * Ends what is left when this process does, such as a server that is refused its control socket. They
 * would end by themselves, but whoever is only starting first says that it cannot find our library.
 */
function endZygotes(): void {
  for (const { handle } of zygotes) handle.signal(SIGNALS.SIGKILL);
}

/* The library, for the process that starts zygotes. */

/**
 * Makes the library loadable. Returns its descriptor, close-on-exec, the caller's to close when nothing will be
 * started with it any more; null where it does not apply. Its path is `/proc/PID/fd/NUMBER` with the caller's pid.
 */
function openLibrary(): Fd | null {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return null;
  try {
    return memoryFile("mpserv-code", Uint8Array.fromBase64(LIBRARY));
  } catch (error) {
    if (!(error instanceof PosixError)) throw error;
    return null;
  }
}
