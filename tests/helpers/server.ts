/**
 * Real servers: the command `mpserv serve` in a process of its own.
 *
 * @module
 */
import { commandEnvironment, commandLine } from "./command.ts";
import { type LogLine, LogReader } from "./log_reader.ts";
import {
  COUNTS,
  type Crew,
  type Model,
  MODELS,
  type Waiting,
} from "./models.ts";
import {
  descendants,
  descriptors,
  isAlive,
  killNow,
  type ProcessInfo,
  processTable,
  serverSockets,
  withSockets,
} from "./processes.ts";
import { exists, steady, until, within } from "./testing.ts";

export { anyModel, type Model, models } from "./models.ts";

/** How to start a server. */
export interface ServerOptions {
  /** The process model: `auto` for the command's own choice; the one that costs least without it. */
  readonly model?: Model;
  /** How many processes wait for connections: `few` unless they are what the test is about. */
  readonly crew?: Crew;
  /** Options of `mpserv serve`. */
  readonly args?: readonly string[];
  /** The port as it is typed; none with `--unix`. */
  readonly port?: string | null;
  /** Words before the command line, such as those of `withDescriptors`. */
  readonly through?: readonly string[];
  /** Variables beside those of `commandEnvironment`. */
  readonly env?: Record<string, string>;
  /** Hears each line of the log, and says whether it is kept; all are without it. */
  readonly keeps?: (line: LogLine) => boolean;
}

/**
 * Starts a server and waits until it listens.
 *
 * @param options How.
 * @returns The server; disposing of it ends it and checks that nothing of it is left.
 */
export async function startServer(
  options: ServerOptions = {},
): Promise<TestServer> {
  const { model = "spawn", crew = "few", port = "0", args = [] } = options;
  const { through = [], env } = options;
  const line = commandLine([
    "serve",
    ...(port === null ? [] : [port]),
    "--log-format",
    "json",
    ...MODELS[model]![crew].args,
    ...args,
  ]);
  const [program, ...rest] = [...through, ...line] as [string, ...string[]];
  const process = new Deno.Command(program, {
    args: rest,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { ...commandEnvironment(), ...env },
    detached: true, // a session of its own, by which everything that it starts can be found
  }).spawn();
  const server = new TestServer(process, model, options);
  try {
    const { address } = await server.log.waitFor(/^listening on /);
    server.port = Number(/:(\d+)$/.exec(String(address))?.[1] ?? 0);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** A process that has connections. */
export interface Serving {
  readonly pid: number;
  readonly connections: number;
}

/** A cache of the runtime's, which it opens once, and at times late. */
const CACHE = /_cache_v\d+(-wal|-shm)?$/;

/** The names of our processes before they set their own. */
const STARTING = ["deno", "mpserv"];

/** A running server. */
export class TestServer implements AsyncDisposable {
  /** The parent's process id. */
  readonly pid: number;
  /** Its log; the end of the log means that no process of the server is left. */
  readonly log: LogReader;
  /** Its exit. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Where it listens; 0 on a Unix domain socket. */
  port = 0;
  readonly #process: Deno.ChildProcess;
  readonly #idle: number;
  readonly #least: Waiting;
  #exited = false;

  /**
   * @param process The command.
   * @param model Its process model.
   * @param options What else it was started with.
   */
  constructor(
    process: Deno.ChildProcess,
    model: Model,
    { args = [], crew = "few", keeps }: Pick<
      ServerOptions,
      "args" | "crew" | "keeps"
    > = {},
  ) {
    const isAsked = args.some((arg) => COUNTS.includes(arg));
    const { idle, least } = MODELS[model]![isAsked ? "usual" : crew];
    this.#idle = idle;
    this.#least = isAsked ? { ...least, count: 0 } : least;
    this.#process = process;
    this.pid = process.pid;
    this.log = new LogReader(process.stderr, keeps);
    this.status = process.status.then((status) => {
      this.#exited = true;
      return status;
    });
  }

  /** Every process that the parent started and has not reaped, theirs included. */
  children(): ProcessInfo[] {
    return descendants(this.pid);
  }

  /** The descriptors of a process, by default the parent. */
  descriptors(pid = this.pid): string[] {
    return descriptors(pid);
  }

  /**
   * What the parent has open but for caches, by kind, once it is quiet, every process that is to wait for
   * connections and the control socket are there, and nothing opens or closes for a moment.
   */
  async steadyDescriptors(): Promise<string[]> {
    await this.isQuiet();
    await until(`${this.controlPath} is there`, () => exists(this.controlPath));
    const kinds = () =>
      this.descriptors().filter((link) => !CACHE.test(link))
        .map((link) => link.replace(/\d+/g, "N")).sort();
    const isSteady = `server ${this.pid} is steady`;
    return await steady(isSteady, () => this.#isComplete() ? kinds() : null);
  }

  /** The processes that wait for connections, once all are there and sleep. */
  async waiting(): Promise<number[]> {
    await this.isQuiet();
    return await steady(`processes of ${this.pid} wait`, () => {
      const children = this.children();
      return this.#isComplete() && children.length > 0 &&
          children.every(({ state }) => state === "S")
        ? children.map(({ pid }) => pid)
        : null;
    });
  }

  /** Whether all are there, and none is only starting: they take their names when they have started. */
  #isComplete(): boolean {
    const children = this.children();
    const { count, comm: wanted } = this.#least;
    const there = children.filter(({ comm }) => comm === wanted);
    return there.length >= count &&
      children.every(({ comm }) => !STARTING.includes(comm));
  }

  /** Where its control socket is, unless it was asked for elsewhere. */
  get controlPath(): string {
    const { XDG_RUNTIME_DIR } = commandEnvironment();
    return `${XDG_RUNTIME_DIR}/mpserv/${this.port}.sock`;
  }

  /**
   * The processes that have a connection of this server at this moment, and how many each. Those that
   * have just been forked, and a zygote that has just forked, have copies that they are about to close.
   */
  serving(children: readonly ProcessInfo[] = this.children()): Serving[] {
    const open = withSockets(children);
    if (open.length === 0) return [];
    const { connected } = serverSockets(this.port);
    return open.map(({ pid, sockets }) => ({
      pid,
      connections: sockets.filter((link) => connected.has(link)).length,
    })).filter(({ connections }) => connections > 0);
  }

  /** As {@linkcode serving}, once nobody but those who serve has a connection: so many processes. */
  async servers(count = 1): Promise<Serving[]> {
    let found: Serving[] = [];
    await until(`${count} processes of server ${this.pid} serve`, () => {
      found = this.serving();
      return found.length === count;
    });
    return found;
  }

  /** The process that serves a connection, as the log says. */
  async processOf(conn: { localAddr: Deno.NetAddr }): Promise<number> {
    const peer = `127.0.0.1:${conn.localAddr.port}`;
    const { pid } = await this.log.waitFor((line) =>
      line.message === "new client connected..." && line.peer === peer
    );
    return Number(pid);
  }

  /** The log line of a connection's end. */
  async endOf(conn: { localAddr: Deno.NetAddr }): Promise<LogLine> {
    const peer = `127.0.0.1:${conn.localAddr.port}`;
    return await this.log.waitFor((line) =>
      line.message === "client disconnected..." && line.peer === peer
    );
  }

  /** Sends the parent a signal. */
  signal(signal: Deno.Signal): void {
    Deno.kill(this.pid, signal);
  }

  /** Sends the parent a signal and waits for its end. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    this.signal(signal);
    return await this.exit();
  }

  /** Waits for the parent's end. */
  async exit(): Promise<Deno.CommandStatus> {
    return await within(`the end of server ${this.pid}`, this.status);
  }

  /**
   * Waits until nobody is served, and no process is left but those that wait; no zombie either. None has a
   * socket but Unix domain sockets: the kernel's table of all others may be too long to be read at each look.
   */
  async isQuiet(): Promise<void> {
    await until(`server ${this.pid} is quiet`, () => {
      const children = this.children();
      return children.length <= this.#idle &&
        children.every(({ state }) => state !== "Z") &&
        withSockets(children).length === 0;
    });
  }

  /** Every process that the server ever started and that lives, also when the parent does not. */
  survivors(): ProcessInfo[] {
    return processTable().filter(({ pid, session }) =>
      session === this.pid && isAlive(pid)
    );
  }

  /** Ends the server, and fails when a process of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#exited) await this.#end();
    const left = () => this.survivors();
    try {
      await until("", () => left().length === 0, 10_000);
    } catch {
      const names = left().map(({ pid, comm }) => `${pid} (${comm})`);
      for (const { pid } of left()) killNow(pid);
      throw new Error(
        `Server ${this.pid} left processes behind: ${
          names.join(", ")
        }\n${this.log}`,
      );
    } finally {
      await this.log.ended;
    }
  }

  /** Asks twice, as a person would, then insists. */
  async #end(): Promise<void> {
    this.signal("SIGTERM");
    await this.log.waitFor(/^draining/, 10_000).catch(() => {});
    try {
      if (!this.#exited) this.#process.kill("SIGTERM");
    } catch {
      // It has ended just now.
    }
    try {
      await within("its end", this.status, 20_000);
    } catch {
      killNow(this.pid);
      await this.status;
      throw new Error(`Server ${this.pid} did not end:\n${this.log}`);
    }
  }
}
