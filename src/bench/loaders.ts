/**
 * The load processes of a benchmark, together.
 *
 * @module
 */
import type { Frame } from "./frames.ts";
import { Loader } from "./loader.ts";
import type { Share } from "./plan.ts";

/** Several load processes. */
export class Loaders implements AsyncDisposable {
  readonly #loaders: Loader[] = [];
  readonly #heard = new Map<Loader, number>();

  /**
   * Starts them.
   *
   * @param shares What each does.
   */
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
   * @param until The kind of frame to wait for, from each.
   * @param hear Gets each frame, and when the frame before of the same process was.
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
