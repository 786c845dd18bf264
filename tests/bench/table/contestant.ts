/**
 * Servers of a measurement: started fresh, and every process of theirs ended afterwards.
 *
 * @module
 */
import { freePort } from "../../helpers/wire_client.ts";
import {
  descendants,
  isAlive,
  killNow,
  processTable,
  serverSockets,
} from "../../helpers/processes.ts";
import { until } from "../../helpers/testing.ts";

/** How long a server has to end when it is asked to, in milliseconds; then it is killed. */
const PATIENCE = 5_000;

/** Every server that runs, so that none outlives the measurement, whatever happens. */
const running = new Set<Contestant>();

/** A server that runs. */
export class Contestant implements AsyncDisposable {
  /** Its first process. */
  readonly pid: number;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  readonly #status: Promise<unknown>;

  private constructor(process: Deno.ChildProcess, port: number) {
    this.pid = process.pid;
    this.port = port;
    this.#status = process.status;
    running.add(this);
  }

  /**
   * Starts a server, and does not wait for it.
   *
   * @param command Its command line for a port.
   * @returns The server.
   */
  static launch(
    command: (port: number) => readonly [string, ...string[]],
  ): Contestant {
    const port = freePort();
    const [program, ...args] = command(port);
    const process = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true, // a session of its own, by which what it leaves behind is found
    }).spawn();
    return new Contestant(process, port);
  }

  /** Waits until it listens. */
  async listens(): Promise<void> {
    await until(`process ${this.pid} listens on port ${this.port}`, () => {
      if (!isAlive(this.pid)) throw new Error("The server ended at its start");
      return serverSockets(this.port).listening.size > 0;
    }, 20_000);
  }

  /** Kills every process of it, at once. */
  kill(): void {
    const own = [
      ...descendants(this.pid),
      ...processTable().filter(({ session }) => session === this.pid),
    ];
    for (const { pid } of own) killNow(pid);
    killNow(this.pid);
    running.delete(this);
  }

  /** Asks it to end, and kills what is left of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE);
    });
    try {
      Deno.kill(this.pid, "SIGTERM");
      await Promise.race([this.#status, late]);
    } catch {
      // It has ended already.
    }
    clearTimeout(timer);
    this.kill();
    await this.#status;
  }
}

/** Kills every server that runs. */
export function killAll(): void {
  for (const contestant of running) contestant.kill();
}
