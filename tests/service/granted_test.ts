/** Granted things work: neither Deno nor the kernel refuses them. */
import assert from "node:assert/strict";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import {
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/uses.ts", import.meta.url);

/** A server whose handler has all of some grants. */
async function granting(model: Model, grants: readonly string[]) {
  const args = [
    ...["--handler", HANDLER, "--grant", grants.join()],
    ...notRewound(model),
  ];
  return await startServer({ model, args });
}

/** The result when the handler uses them. */
async function use(
  { port }: TestServer,
  asked: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  using conn = await connect(port);
  const bytes = new TextEncoder().encode(JSON.stringify(asked));
  return JSON.parse(new TextDecoder().decode(await exchange(conn, bytes)));
}

for (const model of models()) {
  // Whole kinds, and parts of them: that each opens nothing else, `grants_test.ts` knows.
  const both = isCompiled ? [true] : [true, false];
  for (const whole of model === "pool" ? [true] : both) {
    const kinds = whole ? "whole kinds" : "parts of kinds";
    test(`granted (${model}): ${kinds}: files are used, programs run, connections made and listened for`, async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      for (const name of ["in", "out"]) Deno.mkdirSync(`${path}/${name}`);
      Deno.writeTextFileSync(`${path}/in/file`, "text");
      const http = Deno.serve({
        ...{ hostname: "127.0.0.1", port: 0, onListen: () => {} },
      }, () => new Response("hello"));
      const { port } = http.addr;
      const grants = whole ? ["read", "write", "run", "net", "sys", "ffi"] : [
        ...[`read=${path}`, `write=${path}/out`, `write=${path}/later`],
        ...["run=sh", "run=sleep"],
        ...[
          `net=localhost:${port}`,
          `net=127.0.0.1:${port}`,
          "net=127.0.0.1:0",
        ],
      ];
      {
        await using server = await granting(model, grants);
        const files = { read: path, list: path, write: path, create: path };
        const net = { connect: port, fetch: port, listen: "" };
        const programs = { run: "", kill: "" };
        assert.deepEqual(await use(server, { ...files, ...programs, ...net }), {
          ...{ read: "text", list: ["file"], write: 1, create: "done" },
          ...{ run: "1", kill: "SIGKILL" },
          ...{ connect: "tcp", fetch: "hello", listen: "tcp" },
        });
        assert.equal(Deno.readTextFileSync(`${path}/later`), "new");
        if (whole) {
          const found = await use(server, { sys: "", ffi: "" });
          const sys = "true,3,true,true,true,true";
          assert.deepEqual(found, { sys, ffi: "done" });
        }
      }
      await http.shutdown();
    });
  }

  test(`granted (${model}): a worker needs no grant`, async () => {
    await using server = await granting(model, ["env"]);
    assert.deepEqual(await use(server, { worker: "" }), { worker: 1 });
  });
}
