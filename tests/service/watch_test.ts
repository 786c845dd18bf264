/** `--watch`: new code for new connections, without a moment in which nobody listens. */
import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { project, telling, write } from "../helpers/project_files.ts";
import { notRewound } from "../helpers/models.ts";
import { killNow } from "../helpers/processes.ts";
import {
  anyModel,
  type Model,
  models,
  startServer,
} from "../helpers/server.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import {
  connect,
  receive,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A handler that says a word before it echoes. */
const saying = (word: string) => `
  import { greet } from "./lib/greet.mjs";
  const place = new URL("name.txt", import.meta.url);
  export default async (connection) => {
    await connection.write(new TextEncoder().encode(greet("${word}")));
    await connection.readable.pipeTo(connection.writable);
  };`;
const greeting = (sign: string) =>
  `export const greet = (word) => word + "${sign}";`;

/** A server that watches a handler of two files. */
async function watching(model: Model) {
  const directory = temporaryDirectory();
  const handler = `${directory.path}/handler.mjs`;
  const library = `${directory.path}/lib/greet.mjs`;
  Deno.mkdirSync(`${directory.path}/lib`);
  Deno.writeTextFileSync(handler, saying("one"));
  Deno.writeTextFileSync(library, greeting("!"));
  const server = await startServer({
    model,
    args: [
      ...["--handler", handler, "--watch", "--grant", "read"],
      ...notRewound(model),
    ],
  });
  return {
    server,
    handler,
    library,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** What the handler says to a new client. */
async function said(port: number): Promise<string> {
  using conn = await connect(port);
  await conn.closeWrite();
  return text(await receiveAll(conn));
}

type Server = Awaited<ReturnType<typeof watching>>["server"];

/** Waits until code was replaced so often. A machine that is too busy to fork at once is tried again. */
const reloads = ({ log }: Server, count: number) =>
  log.waitForCount(/^handler reloaded/, count);

/** Waits until code was refused for a reason. */
const refused = ({ log }: Server, why: RegExp) =>
  log.waitFor((line) =>
    line.message.startsWith("handler not reloaded") &&
    why.test(String(line.why))
  );

for (const model of models()) {
  test(`--watch (${model}): new clients get the new code, those that are served keep theirs`, async () => {
    await using watched = await watching(model);
    const { server, handler, library } = watched;
    using held = await connect(server.port);
    assert.equal(text(await receive(held, 4)), "one!");
    Deno.writeTextFileSync(handler, saying("two"));
    await reloads(server, 1);
    assert.equal(await said(server.port), "two!");
    // As editors do that write a file beside it and rename it; and a file that is only imported.
    Deno.writeTextFileSync(`${library}.new`, greeting("?"));
    Deno.renameSync(`${library}.new`, library);
    await reloads(server, 2);
    assert.equal(await said(server.port), "two?");
    assert.equal(await roundTrip(held), "hello", "who was served still is");
    held.close();
    await server.isQuiet(); // no process of the old code is left
  });
}

// What a pool loads, its zygotes do.
for (const model of models().filter((name) => name !== "pool")) {
  test(`--watch (${model}): code that does not load is told with its place, and the old serves on`, async () => {
    await using watched = await watching(model);
    const { server, handler, library } = watched;
    Deno.writeTextFileSync(handler, "export default (connection) => {\n  ((\n");
    await refused(server, /\/handler\.mjs:[123]/);
    // More than the processes that wait: those that start now load the old code, too.
    for (const { pid, comm } of server.children()) {
      if (comm === "mpserv:zygote") killNow(pid);
    }
    for (let i = 0; i < 3; i++) assert.equal(await said(server.port), "one!");
    Deno.writeTextFileSync(
      library,
      `${greeting("?")}\n\nthrow new Error("at the top");`,
    );
    Deno.writeTextFileSync(handler, saying("two"));
    await refused(server, /^at the top at .*\/lib\/greet\.mjs:3:7$/);
    assert.equal(await said(server.port), "one!");
    assert.ok(!String(server.log).includes("mpserv-watch"));
    Deno.writeTextFileSync(library, greeting("?"));
    await reloads(server, 1);
    assert.equal(await said(server.port), "two?");
  });
}

test("--watch: a file that is imported before it is there is waited for", async () => {
  await using watched = await watching(models()[0]!);
  const { server, handler, library } = watched;
  const deep = library.replace("/lib/", "/a/b/");
  Deno.writeTextFileSync(handler, saying("two").replace("./lib/", "./a/b/"));
  await refused(server, /a\/b\/greet\.mjs/);
  Deno.mkdirSync(deep.replace("/greet.mjs", ""), { recursive: true });
  Deno.writeTextFileSync(deep, greeting("."));
  await reloads(server, 1);
  assert.equal(await said(server.port), "two.");
});

test("--watch: nobody is turned away while code is replaced again and again", async () => {
  await using watched = await watching("fork");
  const { server, handler } = watched;
  let going = true;
  let served = 0;
  const clients = Array.from({ length: 2 }, async () => {
    for (; going; served++) {
      assert.match(await said(server.port), /^(one|\d)!$/);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  for (let i = 1; i <= 2; i++) {
    Deno.writeTextFileSync(handler, saying(String(i)));
    await reloads(server, i);
  }
  going = false;
  await Promise.all(clients);
  assert.ok(served > 0);
  assert.equal(await said(server.port), "2!");
  await until(
    "every client is done",
    () => server.log.where(/^client disconnected/).length === served + 1,
  );
  const reasons = server.log.where(/^client /).map(({ reason }) => reason);
  assert.deepEqual(new Set(reasons), new Set(["closed"]));
});

test("--watch: what it keeps of the code goes with the server", async () => {
  await using directory = temporaryDirectory();
  const handler = `${directory.path}/handler.mjs`;
  Deno.writeTextFileSync(handler, "export default () => {};");
  const kept = `${directory.path}/kept`;
  Deno.mkdirSync(kept);
  await using server = await startServer({
    args: ["--handler", handler, "--watch"],
    through: ["/usr/bin/env", `TMPDIR=${kept}`],
  });
  const snapshots = () =>
    [...Deno.readDirSync(kept)].filter(({ name }) => /^mpserv-/.test(name));
  assert.equal(snapshots().length, 1);
  Deno.writeTextFileSync(handler, "export default () => {}; // new");
  await reloads(server, 1);
  await until("the old is gone", () => snapshots().length === 1);
  await server.stop();
  assert.deepEqual(snapshots(), []);
});

test("--watch: without a handler is wrong usage", async () => {
  const { code, stderr } = await runHere(["serve", "0", "--watch"]);
  assert.match(stderr, /^error: Cannot use --watch without --handler[^\n]+\n$/);
  assert.equal(code, 2);
});

for (const model of anyModel()) {
  test(
    `--watch (${model}): the configuration is watched, and grants hold for what lies beside the code`,
    async () => {
      await using directory = project({
        "deno.json": { imports: { name: "./one.js" } },
        "one.js": 'export default "one";',
        "two.js": 'export default "two";',
        "data.txt": "data",
        "other.txt": "other",
        "src/handler.js": telling(
          "name + Deno.readTextFileSync(file) + other",
          'import name from "name";',
          'const file = new URL("../data.txt", import.meta.url);',
          "let other;",
          'try { Deno.readTextFileSync(new URL("../other.txt", import.meta.url)); }',
          "catch (error) { other = error.name; }",
        ),
      });
      const { path } = directory;
      await using server = await startServer({
        model,
        args: [
          ...["--handler", `${path}/src/handler.js`, "--watch"],
          ...["--grant", `read=${path}/data.txt`],
        ],
      });
      assert.equal(await said(server.port), "onedataNotCapable");
      write(path, { "deno.json": "{ half" });
      await refused(server, /the configuration ".*deno\.json"/);
      assert.equal(await said(server.port), "onedataNotCapable");
      write(path, { "deno.json": { imports: { name: "./two.js" } } });
      await reloads(server, 1);
      assert.equal(await said(server.port), "twodataNotCapable");
    },
    { ignore: isCompiled },
  );
}
