/**
 * Starting a process of ours in another role, and telling it what to do.
 *
 * @module
 */
import { type ChildOptions, encodeProgram } from "../wire/child_options.ts";
import { startSomewhere } from "../posix/directory.ts";
import { hasChild } from "../posix/forking.ts";
import { ProcessHandle } from "../posix/pidfd.ts";
import { type CommandLine, runtimeEnvironment } from "../runtime/roles.ts";

/** Processes that the runtime started and will reap itself. */
const running = new Map<number, Deno.ChildProcess>();

/**
 * Notes a process of `Deno.Command`: where this process inherits others' children (`orphans.ts`), nobody
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
export function startRuntime(
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
