/**
 * Starting a process of ours in another role, and telling it what to do: a spawned worker, or a zygote. The first
 * one starts before anybody needs it: a server's code takes as long to load as the process takes to start, and the
 * two go on at the same time.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { startSomewhere } from "../posix/directory.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { hasChild } from "../posix/forking.ts";
import { askCredentials } from "../posix/net/credentials.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { descriptorTarget } from "../posix/proc.ts";
import { permissionFlags } from "../runtime/permissions.ts";
import {
  type CommandLine,
  EAGER_V8_FLAGS,
  LIMITED_V8_FLAGS,
  type Project,
  roleCommand,
  runtimeEnvironment,
  ZYGOTE_V8_FLAGS,
} from "../runtime/roles.ts";
import {
  type ChildOptions,
  encodeOptions,
  encodeProgram,
  grantsToLoad,
} from "../wire/child_options.ts";
import { openLibrary } from "../zygote/machine_code/open_library.ts";

/** The command line of a process that serves. */
function childCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  const { service, attributes } = options;
  const isLimited = "program" in service &&
    attributes?.limits.memory !== undefined;
  return roleCommand("@child", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    v8Flags: isLimited ? LIMITED_V8_FLAGS : [],
    isClosed: "module" in service,
    project: projectOf(options),
  });
}

/** The command line of a zygote. */
function zygoteCommand(
  args: readonly string[],
  options: ChildOptions,
): CommandLine {
  const isHandler = "module" in options.service;
  return roleCommand("@zygote", args, {
    permissions: ["--allow-ffi", ...permissionFlags(grantsToLoad(options))],
    v8Flags: [...ZYGOTE_V8_FLAGS, ...(isHandler ? [] : EAGER_V8_FLAGS)],
    isClosed: isHandler,
    project: projectOf(options),
  });
}

function projectOf({ service }: ChildOptions): Project | undefined {
  return "module" in service ? service.project : undefined;
}

/** Processes that the runtime started and will reap itself. */
const running = new Map<number, Deno.ChildProcess>();

/**
 * Notes a process of `Deno.Command`: where this process inherits others' children (`children.ts`), nobody
 * but the runtime may reap it, or the runtime would wait for its status for ever.
 */
export function keepForRuntime(process: Deno.ChildProcess): Deno.ChildProcess {
  running.set(process.pid, process);
  void process.status.then(() => running.delete(process.pid));
  return process;
}

/**
 * Ends every process that is left, such as one that was only starting when another one could not: what it would
 * say is said already.
 *
 * @returns Resolves when none is left.
 */
export async function endRuntimes(): Promise<void> {
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

/**
 * Whether the runtime reaps a process.
 *
 * @returns True for those of {@linkcode keepForRuntime} that have not ended.
 */
export function isKeptForRuntime(pid: number): boolean {
  return running.has(pid);
}

/** A process of ours in another role. */
export interface RuntimeProcess {
  /** Its process id. */
  readonly pid: number;
  /** How it ended; the runtime reaps it. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Sends it signals; closed when it has ended. */
  readonly handle: ProcessHandle;
}

/**
 * Starts a process. What it is to inherit must be inheritable.
 *
 * @throws {Error} When descriptors or processes run out.
 */
function startRuntime(
  line: CommandLine,
  options: ChildOptions,
  env: Record<string, string> = childEnvironment(options),
): RuntimeProcess {
  const program = encodeProgram(options);
  const process = keepForRuntime(
    startSomewhere((removed) =>
      new Deno.Command(line.program, {
        args: removed === undefined ? line.args : [...line.args, removed],
        stdin: program ? "piped" : "null",
        stdout: "inherit",
        stderr: "inherit",
        clearEnv: true,
        env,
      }).spawn()
    ),
  );
  if (program) void say(process, program);
  const { pid, status } = process;
  // Nobody can have reaped it: the runtime does that on this thread, later.
  const handle = new ProcessHandle(pid, hasChild);
  void status.then(() => handle.close());
  return { pid, status, handle };
}

function childEnvironment(
  { grants, sandbox }: ChildOptions,
): Record<string, string> {
  const env = runtimeEnvironment(grants);
  // A thread that finds the heap busy would make one of its own, after a look at how many processors
  // there are, in a file: a strict sandbox ends whoever opens one.
  return sandbox.level === "strict" && sandbox.isWanted
    ? { ...env, MALLOC_ARENA_MAX: "1" }
    : env;
}

/** It may be longer than a pipe holds, and is read when the process has started. */
async function say(
  { stdin }: Deno.ChildProcess,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch {
    // The process has ended, and its status is about to arrive.
  }
}

/** Keeps one process for whoever wants its options. */
class Early<Started> {
  readonly #start: (options: ChildOptions) => Started;
  readonly #end: (started: Started) => void;
  #kept: { readonly options: string; readonly started: Started } | null = null;

  /** `start` starts such a process; `end` ends one that nobody has wanted, and closes what belongs to it. */
  constructor(
    start: (options: ChildOptions) => Started,
    end: (started: Started) => void,
  ) {
    this.#start = start;
    this.#end = end;
  }

  /** Starts one. How it will serve is guessed: whoever wants other options gets another process. */
  start(options: ChildOptions): void {
    try {
      this.#kept = {
        options: encodeOptions(options),
        started: this.#start(options),
      };
    } catch {
      // Whoever needs one says why there is none.
    }
  }

  /** The one that was started early, for the same options, once; else a new one. */
  take(options: ChildOptions): Started {
    if (this.#kept?.options !== encodeOptions(options)) {
      return this.#start(options);
    }
    const { started } = this.#kept;
    this.#kept = null;
    return started;
  }

  /** Ends it, if nobody has wanted it. */
  end(): void {
    if (this.#kept !== null) this.#end(this.#kept.started);
    this.#kept = null;
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
export const earlySpawned: Early<SpawnedProcess> = new Early(
  startSpawned,
  ({ process, channel }) => {
    channel.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
);

function startSpawned(options: ChildOptions): SpawnedProcess {
  const [channel, theirs] = socketPair();
  try {
    askCredentials(channel.number);
    const args = [String(theirs.number), encodeOptions(options)];
    const line = childCommand(args, options);
    // Only this child inherits the end: nothing else can be started before it is closed.
    setInherit(theirs.number, true);
    return { process: startRuntime(line, options), channel };
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

// Opened once, and held for as long as zygotes may be started.
let library: Fd | null | undefined;

/** Zygotes that have not ended. */
const zygotes = new Set<RuntimeProcess>();

/** The first zygote, perhaps. */
export const earlyZygote: Early<ZygoteProcess> = new Early(
  startZygote,
  ({ process, channel, reports }) => {
    for (const fd of [channel, reports]) fd.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
);

function startZygote(options: ChildOptions): ZygoteProcess {
  const [channel, theirChannel] = socketPair();
  const [reports, theirReports] = socketPair();
  try {
    askCredentials(reports.number);
    const theirs = [theirChannel, theirReports];
    const args = [
      ...theirs.map((fd) => String(fd.number)),
      encodeOptions(options),
    ];
    const line = zygoteCommand(args, options);
    for (const fd of theirs) setInherit(fd.number, true);
    const environment = zygoteEnvironment(options.grants);
    const process = startRuntime(line, options, environment);
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

/** What keeps page tables small, since each child pays for them: few arenas, and packed memory. */
function zygoteEnvironment(
  grants: readonly string[],
): Record<string, string> {
  library = library === undefined ? openLibrary() : library;
  const preload = library &&
    { LD_PRELOAD: `/proc/${Deno.pid}/fd/${library.number}` };
  return { ...runtimeEnvironment(grants), MALLOC_ARENA_MAX: "1", ...preload };
}
