/**
 * Machine code of a stranger inside a connection's process, played by a handler with `--grant ffi`.
 *
 * @module
 */
import { handlerFile } from "../helpers/handler_file.ts";
import { linux } from "../../src/posix/abi.ts";
import { systemCalls } from "../../src/posix/seccomp/system_call_numbers.ts";
import { type Model, startServer, type TestServer } from "../helpers/server.ts";

/** The handler that obeys {@linkcode Intruder}. */
export const NATIVE = await handlerFile(
  "handlers/native.ts",
  import.meta.url,
);

/** A server with that handler. */
export function startNative(
  model: Model,
  ...options: (string | { through: readonly string[] })[]
): Promise<TestServer> {
  const words = options.filter((option) => typeof option === "string");
  const more = options.filter((option) => typeof option !== "string");
  const args = ["--handler", NATIVE, "--grant", "ffi", ...words];
  // Each intruder keeps one of a pool's.
  const crew = model === "pool" ? "usual" : "few";
  return startServer({ model, crew, args, ...more[0] });
}

/** The argument of a call. */
export type Argument = number | string | readonly number[];

const NAMES = new Map(
  Object.entries({ ...linux.errno, ENOSYS: 38, EOPNOTSUPP: 95 }).map((
    [name, number],
  ) => [number, name]),
);

/** Whoever has a connection, and with it a process of the server. */
export class Intruder implements Disposable {
  readonly #conn: Deno.TcpConn;
  #said = "";

  /** @param conn The connection, closed with this. */
  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Makes one call: what it returned, or the error's name. */
  async call(name: string, ...args: Argument[]): Promise<number | string> {
    // The handler can import nothing of ours, and so no table of numbers.
    const number = systemCalls(Deno.build.arch).get(name);
    if (number === undefined) throw new TypeError(`No system call ${name}`);
    const line = JSON.stringify([number, ...args]) + "\n";
    await this.#conn.write(new TextEncoder().encode(line));
    const buffer = new Uint8Array(1024);
    while (!this.#said.includes("\n")) {
      const count = await this.#conn.read(buffer);
      if (count === null) return "the process ended";
      this.#said += new TextDecoder().decode(buffer.subarray(0, count));
    }
    const [said, ...rest] = this.#said.split("\n");
    this.#said = rest.join("\n");
    const result = Number(said);
    return result < 0 ? NAMES.get(-result) ?? `errno ${-result}` : result;
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#conn.close();
  }
}

/** Arrives at a server. */
export async function intrude(server: TestServer): Promise<Intruder> {
  const { port } = server;
  return new Intruder(await Deno.connect({ hostname: "127.0.0.1", port }));
}
