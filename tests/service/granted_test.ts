/** What was granted works: neither Deno nor the kernel stands in its way. */
import assert from "node:assert/strict";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/uses.ts", import.meta.url);

async function use(
  model: Model,
  grant: string,
  asked: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const args = ["--handler", HANDLER, "--grant", grant];
  await using server = await startServer({ model, args });
  using conn = await connect(server.port);
  const bytes = new TextEncoder().encode(JSON.stringify(asked));
  return JSON.parse(new TextDecoder().decode(await exchange(conn, bytes)));
}

for (const model of models()) {
  test(`granted (${model}): files are read, made, written, moved and removed`, async () => {
    await using directory = temporaryDirectory();
    const { path } = directory;
    for (const name of ["in", "out"]) Deno.mkdirSync(`${path}/${name}`);
    Deno.writeTextFileSync(`${path}/in/file`, "text");
    const grant = isCompiled
      ? "read,write"
      : `read=${path},write=${path}/out,write=${path}/later`;
    const asked = { read: path, list: path, write: path, create: path };
    assert.deepEqual(await use(model, grant, asked), {
      ...{ read: "text", list: ["file"], write: 1, create: "done" },
    });
    assert.equal(Deno.readTextFileSync(`${path}/later`), "new");
  });

  for (const grant of isCompiled ? ["run"] : ["run", "run=sh,run=sleep"]) {
    test(`granted (${model}): --grant ${grant}: programs run, and can be ended`, async () => {
      assert.deepEqual(await use(model, grant, { run: "", kill: "" }), {
        ...{ run: "1", kill: "SIGKILL" },
      });
    });
  }

  test(`granted (${model}): names are found, connections made and listened for`, async () => {
    const server = Deno.serve({
      ...{ hostname: "127.0.0.1", port: 0, onListen: () => {} },
    }, () => new Response("hello"));
    const { port } = server.addr;
    const asked = { connect: port, fetch: port, listen: "" };
    const hosts = [`localhost:${port}`, `127.0.0.1:${port}`, "127.0.0.1:0"];
    const grants = ["net", hosts.map((host) => `net=${host}`).join()];
    for (const grant of isCompiled ? ["net"] : grants) {
      assert.deepEqual(await use(model, grant, asked), {
        ...{ connect: "tcp", fetch: "hello", listen: "tcp" },
      });
    }
    await server.shutdown();
  });

  test(`granted (${model}): the machine is asked, libraries are opened`, async () => {
    const found = await use(model, "sys,ffi", { sys: "", ffi: "" });
    assert.deepEqual(found, { sys: "true,3,true,true,true,true", ffi: "done" });
  });

  test(`granted (${model}): a worker needs no grant`, async () => {
    assert.deepEqual(await use(model, "env", { worker: "" }), { worker: 1 });
  });
}
