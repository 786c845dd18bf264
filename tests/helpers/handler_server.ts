/**
 * Servers of handlers that a test writes itself, and what their clients get.
 *
 * @module
 */
import { type Model, startServer, type TestServer } from "./server.ts";
import { temporaryDirectory } from "./testing.ts";
import { connect, receiveAll, send } from "./wire_client.ts";

/** A server with a handler of this text, in JavaScript unless its file's extension says otherwise. */
export async function serveText(
  model: Model,
  text: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  extension = "mjs",
) {
  const directory = temporaryDirectory();
  const file = `${directory.path}/handler.${extension}`;
  Deno.writeTextFileSync(file, text);
  const server = await startServer({
    model,
    args: ["--handler", file, ...args],
    env,
  });
  return {
    file,
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** The answer for a client that sends a word and then ends its side. */
export async function say(port: number, word: string): Promise<string> {
  using conn = await connect(port);
  await send(conn, new TextEncoder().encode(word));
  await conn.closeWrite();
  return new TextDecoder().decode(await receiveAll(conn));
}

/** How the connections before were logged to end, once so many have. */
export async function reasons(server: TestServer, count: number) {
  return (await ends(server, count)).map(({ reason }) => String(reason));
}

/** The lines of the connections before, in the order in which they came. */
export async function ends({ log }: TestServer, count: number) {
  await log.waitForCount("client disconnected...", count);
  const lines = log.where("client disconnected...");
  return lines.sort((a, b) => Number(a.id) - Number(b.id));
}
