/** The directory that the server was started in is removed: every process that is started later serves all the same. */
import assert from "node:assert/strict";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { killNow } from "../helpers/processes.ts";
import {
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";
import { programModels } from "../service/program_models.ts";

const WHERE = await handlerFile("handlers/where.ts", import.meta.url);
const isCompiled = Deno.env.get("MPSERV_TEST_COMMAND") !== undefined;

/** A server whose directory has been removed, and whose processes have all been started since. */
async function startRemoved(
  model: Model,
  path: string,
  args: readonly string[],
): Promise<TestServer> {
  Deno.mkdirSync(path);
  const server = await startServer({
    model,
    crew: model === "spawn" ? "usual" : "few", // processes must wait, to be started anew
    args,
    through: ["/bin/sh", "-c", `cd '${path}' && exec "$@"`, "sh"],
  });
  try {
    await server.waiting();
    Deno.removeSync(path);
    const first = server.children();
    for (const { pid } of first) killNow(pid);
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** The answer of a server from a process that was started since. */
async function answers(server: TestServer, sent: string): Promise<string[]> {
  const all: string[] = [];
  for (let i = 0; i < 3; i++) {
    using conn = await connect(server.port);
    const got = await exchange(conn, new TextEncoder().encode(sent));
    all.push(new TextDecoder().decode(got));
  }
  return all;
}

for (const model of models()) {
  test(`directory (${model}): removed, clients are served`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/gone`;
    await using server = await startRemoved(model, path, []);
    assert.deepEqual(await answers(server, "hello"), Array(3).fill("hello"));
  });

  test(
    `directory (${model}): removed, a handler serves, and a grant means what it meant`,
    async () => {
      await using directory = temporaryDirectory();
      const path = `${directory.path}/gone`;
      const args = [
        ...["--handler", WHERE, "--grant", "read=given.txt"],
        ...notRewound(model),
      ];
      await using server = await startRemoved(model, path, args);
      const asked = `${path}/given.txt\n/given.txt\n`;
      const [first] = await answers(server, asked);
      assert.match(first!, /^granted (prompt|denied)$/);
    },
    { ignore: isCompiled },
  ); // which grants no single files
}

for (const model of programModels()) {
  test(`directory (${model}): removed, a program is in it still, and not where others' files are`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/gone`;
    const program = ["--", "sh", "-c", "readlink /proc/self/cwd; ls -A; cat"];
    await using server = await startRemoved(model, path, program);
    const expected = `${path} (deleted)\nhello`;
    assert.deepEqual(await answers(server, "hello"), Array(3).fill(expected));
  });
}
