/**
 * The coordinating process's side of a load process: starting it, hearing from it, ending it.
 *
 * @module
 */
import { setInherit } from "../posix/fd.ts";
import { roleCommand, runtimeEnvironment } from "../runtime/roles.ts";
import { type Frame, readFrames } from "./frames.ts";
import type { Share } from "./plan.ts";

/** A running load process. */
export class Loader implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #frames: AsyncGenerator<Frame>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /**
   * Starts one, which waits for {@linkcode goOn} once it is ready.
   *
   * @param share What it does. Its inherited connections stay the caller's to close.
   * @throws {Error} When the system starts no process.
   */
  constructor(share: Share) {
    const command = roleCommand("@bench", ["load", JSON.stringify(share)], {
      permissions: ["--allow-ffi"],
    });
    const sockets = share.inherited.map(({ fd }) => fd);
    for (const fd of sockets) setInherit(fd, true);
    try {
      // The spawn is synchronous: no other process of ours can inherit these connections.
      this.#process = new Deno.Command(command.program, {
        args: command.args,
        env: runtimeEnvironment(),
        clearEnv: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
    } finally {
      for (const fd of sockets) setInherit(fd, false);
    }
    this.#frames = readFrames(this.#process.stdout);
    this.#input = this.#process.stdin.getWriter();
  }

  /** Lets it go on: from ready to the load, or with the next part of a `hold`. */
  async goOn(): Promise<void> {
    await this.#input.write(new Uint8Array(1)).catch(() => {}); // it is gone: reading says how
  }

  /**
   * Hears from it.
   *
   * @throws {Error} When it ends before.
   */
  async listen(
    until: Frame["kind"],
    hear: (frame: Frame) => void,
  ): Promise<void> {
    for (;;) {
      const { value, done } = await this.#frames.next();
      if (done) {
        const { code, signal } = await this.#process.status;
        throw new Error(
          `A load process ended before its work did: ${
            signal ? `killed by ${signal}` : `exit code ${code}`
          }`,
        );
      }
      hear(value);
      if (value.kind === until) return;
    }
  }

  /** Ends it, if it has not ended, and reaps it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#frames.return(undefined);
    await this.#input.close().catch(() => {});
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
  }
}

/** Several load processes. */
export class Loaders implements AsyncDisposable {
  readonly #loaders: Loader[] = [];
  readonly #heard = new Map<Loader, number>();

  /** Starts them. */
  constructor(shares: readonly Share[]) {
    for (const share of shares) this.#loaders.push(new Loader(share));
  }

  /** Lets all of them go on. */
  async goOn(): Promise<void> {
    await Promise.all(this.#loaders.map((loader) => loader.goOn()));
  }

  /**
   * Hears from all of them.
   *
   * @throws {Error} When one ends before.
   */
  async listen(
    until: Frame["kind"],
    hear: (frame: Frame, before: number) => void = () => {},
  ): Promise<void> {
    await Promise.all(
      this.#loaders.map((loader) =>
        loader.listen(until, (frame) => {
          hear(frame, this.#heard.get(loader) ?? 0);
          this.#heard.set(loader, frame.at);
        })
      ),
    );
  }

  /** Ends all of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#loaders.map((loader) => loader[Symbol.asyncDispose]()),
    );
  }
}
