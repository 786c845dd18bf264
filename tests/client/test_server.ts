/**
 * Servers that a test opens itself.
 *
 * @module
 */

/** A server that serves connections one after another. Disposing of it waits for the last one. */
export class TestServer implements AsyncDisposable {
  /** The arguments with which a client connects to it. */
  readonly args: string[];
  /** Where it listens; 0 on a Unix domain socket. */
  readonly port: number = 0;
  readonly #listener: Deno.Listener;
  readonly #served: Promise<void>;

  constructor(
    handler: (conn: Deno.Conn) => Promise<unknown>,
    where: { hostname?: string; path?: string } = {},
  ) {
    const { hostname = "127.0.0.1", path } = where;
    if (path === undefined) {
      const listener = Deno.listen({ hostname, port: 0 });
      this.port = listener.addr.port;
      this.args = [hostname, String(this.port)];
      this.#listener = listener;
    } else {
      this.args = ["--unix", path];
      this.#listener = Deno.listen({ transport: "unix", path });
    }
    this.#served = this.#serve(handler);
  }

  async #serve(handler: (conn: Deno.Conn) => Promise<unknown>): Promise<void> {
    for await (const conn of this.#listener) {
      try {
        await handler(conn);
      } catch (error) {
        // A client that was killed, as some tests do, resets its connection.
        const gone = error instanceof Deno.errors.ConnectionReset ||
          error instanceof Deno.errors.BrokenPipe;
        if (!gone) throw error;
      } finally {
        conn.close();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#served;
  }
}

/** Lets a server wait for its test. Disposing of it opens it: declare it after the server. */
export class Gate implements Disposable {
  readonly #opening = Promise.withResolvers<void>();
  /** Resolves when it is open. */
  readonly opened: Promise<void> = this.#opening.promise;

  open(): void {
    this.#opening.resolve();
  }

  [Symbol.dispose](): void {
    this.open();
  }
}

/** Sends back what comes until the client ends its side. */
export async function echo(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    await send(conn, buffer.subarray(0, count));
  }
}

/** Sends all of it. */
export async function send(
  conn: Deno.Conn,
  bytes: Uint8Array | string,
): Promise<void> {
  let rest = typeof bytes === "string"
    ? new TextEncoder().encode(bytes)
    : bytes;
  while (rest.length > 0) rest = rest.subarray(await conn.write(rest));
}

/** Reads so many bytes, or fewer when the client ends its side before. */
export async function receive(
  conn: Deno.Conn,
  size = Infinity,
): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65536);
  while (text.length < size) {
    const count = await conn.read(
      buffer.subarray(0, Math.min(buffer.length, size - text.length)),
    );
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}
