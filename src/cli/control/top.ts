/**
 * `mpserv top`: a running server's processes and connections, live.
 *
 * A terminal's screen, taken over for a while and given back as it was.
 *
 * @module
 */
import {
  ControlClient,
  ControlError,
  listConnections,
} from "../../control/ask.ts";
import { print } from "../terminal.ts";
import { findServer } from "./find_server.ts";
import {
  cut,
  processLines,
  summary,
  type TopSnapshot,
  UsageMeter,
} from "./show.ts";

const ESC = "\u001b";
/** The alternate screen, no cursor, no wrapping; and back (xterm's control sequences). */
const ENTER = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l`;
const LEAVE = `${ESC}[?7h${ESC}[?25h${ESC}[?1049l`;
/** A frame that the terminal shows at once or not at all (synchronized update). */
const BEGIN = `${ESC}[?2026h${ESC}[H`, END = `${ESC}[J${ESC}[?2026l`;
const ERASE_REST = `${ESC}[K`, INVERSE = `${ESC}[7m`, PLAIN = `${ESC}[0m`;

/** The names of special keys. */
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

type Key = "quit" | "up" | "down" | "page up" | "page down";

interface ScreenEvents {
  /** A key was pressed, or the process was told to end. */
  pressed(key: Key): void;
  resized(): void;
}

/** The screen, until it is disposed of. */
class Screen implements Disposable {
  readonly #events: ScreenEvents;
  readonly #hasKeys = Deno.stdin.isTerminal();
  readonly #quit = () => this.#events.pressed("quit");
  readonly #resized = () => this.#events.resized();
  readonly #signals: readonly (readonly [Deno.Signal, () => void])[];
  #isOpen = true;

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

/** The keys in a terminal's input; keys without a meaning are skipped. */
function keysOf(text: string): Key[] {
  // deno-lint-ignore no-control-regex
  const parts = text.match(/\u001b\[[\d;]*[A-Za-z~]|[^]/g) ?? [];
  return parts.flatMap((part) => SEQUENCES[part] ?? []);
}

/**
 * Shows a server until a person quits; once and as plain text where standard output is no terminal. `interval`:
 * milliseconds between looks. Throws `UserError` when it cannot be found.
 */
export async function top(
  target: string | undefined,
  interval: number,
): Promise<void> {
  const path = (await found(target)).path;
  if (Deno.stdout.isTerminal()) return await new Top(path, interval).run();
  const now = await look(path);
  const all = { rows: Infinity, offset: 0 };
  const meter = new UsageMeter();
  const lines = [
    ...summary(now, null),
    "",
    ...processLines(now, all, (pid) => meter.look(pid)),
  ];
  print(lines.map((line) => cut(line, Infinity).trimEnd() + "\n").join(""));
}

async function found(target: string | undefined): Promise<{ path: string }> {
  using client = await findServer(target);
  return { path: client.path };
}

/** Connects anew each time: after a take-over it is the next server that is looked at. */
async function look(path: string): Promise<TopSnapshot> {
  using client = await ControlClient.connect(path);
  const status = await client.ask({ command: "status" });
  const { processes } = await client.ask({ command: "processes" });
  const connections = await listConnections(client, status.listener);
  return { status, processes, connections, at: performance.now() };
}

class Top {
  readonly #path: string;
  readonly #interval: number;
  readonly #meter = new UsageMeter();
  readonly #over = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #now: TopSnapshot | null = null;
  #before: TopSnapshot | null = null;
  #trouble = "";
  #offset = 0;

  constructor(path: string, interval: number) {
    this.#path = path;
    this.#interval = interval;
  }

  async run(): Promise<void> {
    using screen = new Screen({
      pressed: (key) => this.#pressed(key, screen),
      resized: () => this.#draw(screen),
    });
    void this.#refresh(screen);
    try {
      await this.#over.promise;
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async #refresh(screen: Screen): Promise<void> {
    try {
      const now = await look(this.#path);
      this.#before = this.#now;
      this.#now = now;
      this.#trouble = "";
    } catch (error) {
      // It may come back, as after a restart.
      if (!(error instanceof ControlError)) return this.#over.reject(error);
      this.#trouble = error.message;
    }
    this.#meter.next();
    this.#draw(screen);
    this.#timer = setTimeout(() => this.#refresh(screen), this.#interval);
  }

  #draw(screen: Screen): void {
    try {
      const { columns, rows } = screen.size;
      const { lines, title } = this.#lines(rows, columns);
      const shown = lines.slice(0, rows).map((line) => cut(line, columns));
      screen.show(shown, title);
    } catch (error) {
      this.#over.reject(error);
    }
  }

  /** The lines that fit, and the index of the line with the columns' titles. */
  #lines(rows: number, columns: number): { lines: string[]; title: number } {
    if (!this.#now) return { lines: [this.#trouble], title: -1 };
    const head = summary(this.#now, this.#before);
    const last = this.#trouble || "q quits, arrows scroll";
    const room = Math.max(0, rows - head.length - 3);
    const count = this.#now.processes.length + 1;
    this.#offset = Math.max(0, Math.min(this.#offset, count - room));
    const body = processLines(
      this.#now,
      { rows: room, offset: this.#offset, columns },
      (pid) => this.#meter.look(pid),
    );
    const blanks = Array<string>(Math.max(0, room - count)).fill("");
    const below = count - this.#offset - room;
    const more = below > 0 ? `${below} more below; ` : "";
    return {
      lines: [...head, "", ...body, ...blanks, more + last],
      title: head.length + 1,
    };
  }

  #pressed(key: Key, screen: Screen): void {
    if (key === "quit") return this.#over.resolve();
    const page = Math.max(1, screen.size.rows - 8);
    const steps = { up: -1, down: 1, "page up": -page, "page down": page };
    this.#offset += steps[key];
    this.#draw(screen);
  }
}
