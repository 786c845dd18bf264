/**
 * `mpserv top`: a running server's processes and connections, live.
 *
 * @module
 */
import { ControlClient, ControlError } from "../../control/ask.ts";
import { findServer } from "./find_server.ts";
import { listConnections } from "./movement.ts";
import { type Key, Screen } from "./screen.ts";
import { cut } from "./show.ts";
import { print } from "../terminal.ts";
import { processLines, summary, type TopSnapshot } from "./top_view.ts";
import { UsageMeter } from "../help/usage.ts";

/**
 * Shows a server until a person quits; once and as plain text where standard output is no terminal.
 *
 * @param interval Milliseconds between looks.
 * @throws {UserError} When it cannot be found.
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
      const { lines, title } = this.#lines(rows);
      const shown = lines.slice(0, rows).map((line) => cut(line, columns));
      screen.show(shown, title);
    } catch (error) {
      this.#over.reject(error);
    }
  }

  /** What fits, and which line has the titles of the columns. */
  #lines(rows: number): { lines: string[]; title: number } {
    if (!this.#now) return { lines: [this.#trouble], title: -1 };
    const head = summary(this.#now, this.#before);
    const last = this.#trouble || "q quits, arrows scroll";
    const room = Math.max(0, rows - head.length - 3);
    const count = this.#now.processes.length + 1;
    this.#offset = Math.max(0, Math.min(this.#offset, count - room));
    const body = processLines(
      this.#now,
      { rows: room, offset: this.#offset },
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
