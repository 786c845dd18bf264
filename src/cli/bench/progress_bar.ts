/**
 * A bar on a terminal's last line.
 *
 * @module
 */
import type { LoadProgress } from "../../bench/plan.ts";

const WIDTH = 30;
const ERASE_TO_END = "\x1b[K";
/** Milliseconds between two pictures: often enough to move, seldom enough to be read. */
const PAUSE = 100;

/** Shows on standard error how far something is, if that is a terminal. */
export class ProgressBar implements LoadProgress, Disposable {
  readonly #name: string;
  readonly #isShown = Deno.stderr.isTerminal();
  #lastTime = -Infinity;

  /** Makes one; nothing is shown yet. */
  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Shows it. The line is written over in one piece and not erased before, so that it does not flicker.
   */
  show(fraction: number, text: string): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#lastTime < PAUSE) return;
    this.#lastTime = now;
    const full = Math.round(WIDTH * fraction);
    const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
    const percent = `${Math.floor(100 * fraction)}`.padStart(3);
    const line = `${this.#name} ${bar} ${percent} % ${text}`;
    const columns = Deno.consoleSize().columns || 80; // some terminals do not know
    write("\r" + line.slice(0, columns - 1) + ERASE_TO_END);
  }

  /** Takes it away. */
  [Symbol.dispose](): void {
    if (this.#lastTime > 0) write("\r" + ERASE_TO_END);
  }
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
