/**
 * Real clients.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { descendants, unsentBytes } from "../helpers/processes.ts";
import { DEADLINE, until } from "../helpers/testing.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
// Those of the task `client` in deno.json: the tests show that they are enough.
const PERMISSIONS = ["ffi", "net", "run", "read", "write", "env"].map((name) =>
  `--allow-${name}`
);
/** A connection that takes no more has more than this in its send buffer: tcp_wmem of tcp(7). */
const MIB = 1 << 20;

/** The result of a client. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Uint8Array;
}

/** The command line of a client. */
export function clientCommandLine(args: readonly string[]): string[] {
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    ...PERMISSIONS,
    MAIN,
    "client",
    ...args,
  ];
}

/** The output of a pipe so far. */
class Collected {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  /** Resolves at the end of the pipe. */
  readonly end: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.getReader();
    this.end = this.#collect();
  }

  async #collect(): Promise<void> {
    for (let read; !(read = await this.#reader.read()).done;) {
      this.#chunks.push(read.value);
    }
  }

  get blob(): Blob {
    return new Blob(this.#chunks);
  }

  /** Closes the pipe. */
  async close(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** A running client. Disposing of it kills it, if it still runs. */
export class Client implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stdout: Collected;
  readonly #stderr: Collected;

  constructor(args: readonly string[]) {
    const [program = "", ...rest] = clientCommandLine(args);
    this.process = new Deno.Command(program, {
      args: rest,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.process.stdin.getWriter();
    this.#stdout = new Collected(this.process.stdout);
    this.#stderr = new Collected(this.process.stderr);
  }

  async type(input: string | Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#stdin.write(
      typeof input === "string" ? new TextEncoder().encode(input) : input,
    );
  }

  async endInput(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  /**
   * Types zeros until the connection to a server and the pipe before it are full. `typed`: how many the
   * client took, in the end.
   */
  async typeUntilFull(
    { port }: { readonly port: number },
  ): Promise<{ typed: Promise<number> }> {
    const chunk = new Uint8Array(64 * 1024);
    let full = false;
    let count = 0;
    const typed = (async () => {
      try {
        for (; !full; count++) await this.type(chunk);
      } catch {
        // The client ended before it took this one.
      }
      return count * chunk.length;
    })();
    const counts: number[] = [];
    await until("the client takes no more input", () => {
      counts.push(count);
      return counts.at(-10) === count && unsentBytes(port) > MIB;
    });
    full = true;
    return { typed };
  }

  /** Closes the pipe that the client prints to. */
  async closeOutput(): Promise<void> {
    await this.#stdout.close();
  }

  /** Its output so far. */
  async printed(): Promise<string> {
    return await this.#stdout.blob.text();
  }

  /** Waits until it has printed something. */
  async hasPrinted(text: string): Promise<void> {
    await until(
      `the client has printed ${text}`,
      async () => (await this.printed()).includes(text),
    );
  }

  /** Waits for its end, and kills it when it does not come; its input stays as it is. */
  async result(): Promise<Result> {
    const timer = setTimeout(() => this.process.kill("SIGKILL"), DEADLINE);
    const { code } = await this.process.status;
    clearTimeout(timer);
    await Promise.all([this.#stdout.end, this.#stderr.end]);
    const bytes = await this.#stdout.blob.bytes();
    const stderr = await this.#stderr.blob.text();
    return { code, stdout: new TextDecoder().decode(bytes), stderr, bytes };
  }

  /** Its child processes. */
  children(): number[] {
    return descendants(this.process.pid).map(({ pid }) => pid);
  }

  /** The process that writes, once it is there. */
  async writer(): Promise<number> {
    let found: number | undefined;
    await until("the client has a writing process", () => {
      [found] = this.children();
      return found !== undefined;
    });
    return found!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.process.status;
    await Promise.all([
      this.endInput(),
      this.#stdout.close(),
      this.#stderr.close(),
    ]);
  }
}

/** Runs a client with an input, to its end. */
export async function runClient(
  args: readonly string[],
  input: string | Uint8Array<ArrayBuffer> = "",
): Promise<Result> {
  await using client = new Client(args);
  const typed = client.type(input).then(() => client.endInput(), () => {});
  const result = await client.result();
  await typed;
  return result;
}

/** Runs a client with its input or output redirected by a shell, such as `</` or `>/dev/full`. */
export async function runRedirected(
  args: readonly string[],
  redirection: string,
): Promise<Result> {
  const shell = [
    "-c",
    `exec "$@" ${redirection}`,
    "sh",
    ...clientCommandLine(args),
  ];
  const output = await new Deno.Command("sh", {
    args: shell,
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((b) =>
    new TextDecoder().decode(b)
  );
  return {
    code: output.code,
    stdout: stdout!,
    stderr: stderr!,
    bytes: output.stdout,
  };
}
