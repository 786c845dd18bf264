/**
 * Plays a service manager: it receives notifications and passes sockets.
 *
 * @module
 */
import { until } from "../../helpers/testing.ts";
import { python } from "../../helpers/tools.ts";

/** A small receiver, since Deno has no datagrams of Unix domain sockets without an unstable flag. */
const RECEIVER = `
import os, socket, sys
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
while True:
    print(repr(s.recv(4096).decode()), flush=True)
`;

/** Receives what a service tells its manager. */
export class NotifyReceiver implements AsyncDisposable {
  /** The assignments of each datagram. */
  readonly messages: string[][] = [];
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #bound = false;

  private constructor(name: string) {
    this.#process = new Deno.Command(python(), {
      args: ["-c", RECEIVER, name],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  /** Starts one at a path, or at `@` and an abstract name. */
  static async open(name: string): Promise<NotifyReceiver> {
    const receiver = new NotifyReceiver(name);
    await until("it is bound", () => receiver.#bound);
    return receiver;
  }

  /** Every assignment so far. */
  get all(): string[] {
    return this.messages.flat();
  }

  /** Waits for an assignment. */
  async waitFor(assignment: string | RegExp): Promise<void> {
    const holds = (text: string) =>
      typeof assignment === "string"
        ? text === assignment
        : assignment.test(text);
    await until(
      `${assignment} among ${this.all}`,
      () => this.all.some(holds),
    );
  }

  async #read(): Promise<void> {
    let rest = "";
    const text = this.#process.stdout.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "bound") this.#bound = true;
        else this.messages.push(line.slice(1, -1).split("\\n").filter(Boolean));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#reading;
    await this.#process.status;
  }
}
