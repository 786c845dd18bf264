/**
 * A terminal's screen, taken over for a while and given back as it was.
 *
 * @module
 */
import { print } from "../terminal.ts";

const ESC = "\u001b";
/** The alternate screen, no cursor, no wrapping; and back (xterm's control sequences). */
const ENTER = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l`;
const LEAVE = `${ESC}[?7h${ESC}[?25h${ESC}[?1049l`;
/** A frame that the terminal shows at once or not at all (synchronized update). */
const BEGIN = `${ESC}[?2026h${ESC}[H`, END = `${ESC}[J${ESC}[?2026l`;
const ERASE_REST = `${ESC}[K`, INVERSE = `${ESC}[7m`, PLAIN = `${ESC}[0m`;

/** Keys that are told by their names. */
const SEQUENCES: Readonly<Record<string, Key>> = {
  q: "quit",
  Q: "quit",
  "\u0003": "quit", // Ctrl-C: the terminal makes no signal of it here
  [`${ESC}[A`]: "up",
  k: "up",
  [`${ESC}[B`]: "down",
  j: "down",
  [`${ESC}[5~`]: "page up",
  [`${ESC}[6~`]: "page down",
  " ": "page down",
};

/** What a person pressed. */
export type Key = "quit" | "up" | "down" | "page up" | "page down";

/** What a screen tells. */
export interface ScreenEvents {
  /** A key was pressed, or the process was told to end. */
  pressed(key: Key): void;
  /** Its size changed. */
  resized(): void;
}

/** The screen, until it is disposed of. */
export class Screen implements Disposable {
  readonly #events: ScreenEvents;
  readonly #hasKeys = Deno.stdin.isTerminal();
  readonly #quit = () => this.#events.pressed("quit");
  readonly #resized = () => this.#events.resized();
  readonly #signals: readonly (readonly [Deno.Signal, () => void])[];
  #isOpen = true;

  /** Takes the screen over. */
  constructor(events: ScreenEvents) {
    this.#events = events;
    this.#signals = [
      ["SIGWINCH", this.#resized],
      ["SIGINT", this.#quit],
      ["SIGTERM", this.#quit],
      ["SIGHUP", this.#quit],
    ];
    for (const [signal, hear] of this.#signals) {
      Deno.addSignalListener(signal, hear);
    }
    if (this.#hasKeys) {
      Deno.stdin.setRaw(true);
      void this.#listen();
    }
    print(ENTER);
  }

  /** How many columns and rows there are. */
  get size(): { columns: number; rows: number } {
    return Deno.consoleSize();
  }

  /** Shows lines from the top; one write, so that nothing flickers. */
  show(lines: readonly string[], inverse: number): void {
    const shown = lines.map((line, i) =>
      i === inverse ? INVERSE + line + ERASE_REST + PLAIN : line + ERASE_REST
    );
    print(BEGIN + shown.join("\r\n") + END);
  }

  /** Gives the screen back as it was; again is harmless. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const [signal, hear] of this.#signals) {
      Deno.removeSignalListener(signal, hear);
    }
    try {
      print(LEAVE);
      if (this.#hasKeys) Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone: nothing is left to give back.
    }
  }

  async #listen(): Promise<void> {
    const bytes = new Uint8Array(256);
    const decoder = new TextDecoder();
    try {
      for (;;) {
        const count = await Deno.stdin.read(bytes);
        if (!this.#isOpen) return;
        if (count === null) return this.#quit();
        for (const key of keysOf(decoder.decode(bytes.subarray(0, count)))) {
          this.#events.pressed(key);
        }
      }
    } catch {
      this.#quit(); // the terminal has gone
    }
  }
}

/** The keys in what a terminal sends; those that mean nothing here are passed over. */
function keysOf(text: string): Key[] {
  // deno-lint-ignore no-control-regex
  const parts = text.match(/\u001b\[[\d;]*[A-Za-z~]|[^]/g) ?? [];
  return parts.flatMap((part) => SEQUENCES[part] ?? []);
}
