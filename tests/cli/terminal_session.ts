/**
 * A shell in a terminal of its own, with a person's keys.
 *
 * @module
 */
import { until, within } from "../helpers/testing.ts";

/** A running shell; disposing of it ends it. */
export class TerminalSession implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #read: Promise<void>;
  #screen = "";

  /** @param shell Its command line; script(1) gives it the terminal. */
  constructor(shell: string) {
    this.#process = new Deno.Command("script", {
      args: ["--quiet", "--command", shell, "/dev/null"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      env: { TERM: "dumb" },
    }).spawn();
    this.#keys = this.#process.stdin.getWriter();
    this.#read = this.#collect(this.#process.stdout);
  }

  /**
   * Presses keys, and waits for what they bring about.
   *
   * @param keys Such as `"mpserv ser\t\n"`.
   * @param shows What the screen shows then.
   */
  async type(keys: string, shows: string): Promise<void> {
    const before = this.#screen.length;
    await this.#keys.write(new TextEncoder().encode(keys));
    try {
      await until("", () => this.#screen.includes(shows, before), 20_000);
    } catch {
      const screen = JSON.stringify(this.#screen.slice(before));
      throw new Error(
        `${JSON.stringify(keys)} shows ${screen}, not "${shows}"`,
      );
    }
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#screen += text;
    }
  }

  /** Ends the shell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys.close(); // script(1) hangs up
    await within("the shell's end", this.#process.status);
    await this.#read;
  }
}
