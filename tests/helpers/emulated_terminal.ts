/**
 * A command in a terminal of its own (pty(7)), and what a person sees there.
 *
 * @module
 */
import xterm from "@xterm/headless";
import { commandEnvironment } from "./command.ts";
import { until, within } from "./testing.ts";
import { python } from "./tools.ts";

/** The other side of the terminal, in python3; lines of JSON control it. */
const DRIVER = `
import fcntl, json, os, pty, select, struct, sys, termios
def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
pid, fd = pty.fork()
if pid == 0:
    size(0, int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
orders = b""
while True:
    ready = select.select([fd, 0], [], [])[0]
    if fd in ready:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            os.close(fd)
            break
        orders += data
        while b"\\n" in orders:
            line, orders = orders.split(b"\\n", 1)
            order = json.loads(line)
            if "keys" in order:
                os.write(fd, order["keys"].encode())
            else:
                size(fd, *order["size"])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** A terminal; disposing of it hangs up on what runs there. */
export class EmulatedTerminal implements AsyncDisposable {
  /** Everything that was sent to it. */
  sent = "";
  readonly #terminal: xterm.Terminal;
  readonly #process: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #read: Promise<void>;

  /**
   * Runs a command.
   *
   * @param line Its command line.
   * @param size Rows and columns.
   */
  constructor(line: readonly string[], [rows, columns]: [number, number]) {
    this.#terminal = new xterm.Terminal({
      rows,
      cols: columns,
      allowProposedApi: true,
    });
    this.#process = new Deno.Command(python(), {
      args: ["-c", DRIVER, String(rows), String(columns), ...line],
      stdin: "piped",
      stdout: "piped",
      env: { ...commandEnvironment(), TERM: "xterm-256color" },
    }).spawn();
    this.#orders = this.#process.stdin.getWriter();
    this.#read = this.#collect();
  }

  /** The process that runs the command. */
  get pid(): number {
    return this.#process.pid;
  }

  /** The lines that a person sees, without blanks at their ends. */
  get lines(): string[] {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, i) =>
        active.getLine(active.viewportY + i)?.translateToString(true) ?? "",
    );
  }

  /** Whether the screen is the one that programs take for a while. */
  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  /** Presses keys. */
  async type(keys: string): Promise<void> {
    await this.#order({ keys });
  }

  /** Changes its size. */
  async resize([rows, columns]: [number, number]): Promise<void> {
    this.#terminal.resize(columns, rows);
    await this.#order({ size: [rows, columns] });
  }

  /** Waits until a person sees something. */
  async shows(what: string | RegExp): Promise<void> {
    try {
      await until("", () => this.lines.some((line) => line.match(what)));
    } catch {
      throw new Error(`No ${what} on the screen:\n${this.lines.join("\n")}`);
    }
  }

  /** Waits for the command's end. */
  async exit(): Promise<number> {
    await within("the end of its output", this.#read);
    return (await within("the command's end", this.#process.status)).code;
  }

  /** Closes it: what runs there gets SIGHUP. */
  async hangUp(): Promise<void> {
    await this.#orders.close().catch(() => {}); // the command has ended
  }

  /** Hangs up, and waits for the command's end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.hangUp();
    await this.exit();
    this.#terminal.dispose();
  }

  async #order(order: unknown): Promise<void> {
    const line = JSON.stringify(order) + "\n";
    await this.#orders.write(new TextEncoder().encode(line));
  }

  async #collect(): Promise<void> {
    const decoder = new TextDecoderStream();
    for await (const text of this.#process.stdout.pipeThrough(decoder)) {
      this.sent += text;
      await new Promise<void>((resolve) => this.#terminal.write(text, resolve));
    }
  }
}
