/**
 * The soak's side of the process that makes its connections.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import {
  type Command,
  type Order,
  readJsonLines,
  type Tick,
} from "./visitors_wire.ts";

const PROGRAM = fileURLToPath(new URL("./visitors.ts", import.meta.url));

/** A running process of visitors. */
export class Crowd {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #heard: Promise<void>;
  readonly #started = Promise.withResolvers<void>();
  #idle = Promise.withResolvers<void>();

  /**
   * Starts it, pausing.
   *
   * @param order What it does.
   * @param hear Gets what it tells.
   */
  constructor(order: Order, hear: (tick: Tick) => void) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "-A", PROGRAM, JSON.stringify(order)],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#heard = this.#listen(hear);
  }

  /** Lets connections come; waits until it has started. */
  async resume(): Promise<void> {
    await Promise.race([this.#started.promise, this.#failed()]);
    await this.#tell({ kind: "resume" });
  }

  /** Begins no more of them, and waits until the last has ended. */
  async pause(): Promise<void> {
    this.#idle = Promise.withResolvers();
    await this.#tell({ kind: "pause" });
    await Promise.race([this.#idle.promise, this.#failed()]);
  }

  /** Many connections to one server, at once. */
  async burst(stage: number, count: number): Promise<void> {
    await this.#tell({ kind: "burst", stage, count });
  }

  /** Ends it. */
  async end(): Promise<void> {
    await this.#input.close().catch(() => {}); // it has ended: its status says how
    const { code } = await this.#process.status;
    await this.#heard;
    if (code !== 0) throw new Error(`The process of visitors ended: ${code}`);
  }

  async #tell(command: Command): Promise<void> {
    const line = new TextEncoder().encode(JSON.stringify(command) + "\n");
    await this.#input.write(line);
  }

  async #listen(hear: (tick: Tick) => void): Promise<void> {
    for await (const tick of readJsonLines<Tick>(this.#process.stdout)) {
      hear(tick);
      this.#started.resolve();
      if (tick.idle) this.#idle.resolve();
    }
  }

  async #failed(): Promise<never> {
    const { code, signal } = await this.#process.status;
    throw new Error(`The process of visitors ended: ${signal ?? code}`);
  }
}
