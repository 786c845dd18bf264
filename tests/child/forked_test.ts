import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";

const handler = (name: string) =>
  fileURLToPath(new URL(`./handlers/${name}.ts`, import.meta.url));

/** Connects, sends, and reads to the end. */
async function talk(port: number, text: string): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode(text));
  await conn.closeWrite();
  return await new Response(conn.readable).text();
}

test("forked children: no two draw the same random number from any generator", async () => {
  await using server = await startServer({
    model: "fork",
    args: ["--handler", handler("random")],
  });
  const columns: string[][] = Array.from({ length: 11 }, () => []);
  for (let i = 0; i < 40; i += 10) {
    const talks = Array.from({ length: 10 }, () => talk(server.port, ""));
    for (const text of await Promise.all(talks)) {
      text.split(" ").forEach((value, column) => columns[column]!.push(value));
    }
  }
  columns.forEach((values, column) => {
    assert.equal(values.length, 40, `column ${column}`);
    assert.equal(new Set(values).size, 40, `column ${column} repeats`);
  });
});

for (const model of ["fork", "pool"]) {
  test(`forked children (${model}): timers, files, programs, network, garbage and imports work`, async () => {
    await using server = await startServer({
      model,
      args: ["--handler", handler("mix"), "--grant", "net,read,run"],
    });
    for (let i = 0; i < 16; i += 8) {
      const talks = Array.from(
        { length: 8 },
        (_, k) => talk(server.port, `hello ${i + k}`),
      );
      const texts = await Promise.all(talks);
      assert.deepEqual(
        texts,
        texts.map((_, k) => `hello ${i + k}`),
        `${server.log}`,
      );
    }
  });
}

test("forked children: all memory is whole, however often the zygote's was settled", async () => {
  await using server = await startServer({
    model: "fork",
    args: ["--zygotes", "1", "--handler", handler("memory")],
  });
  for (let i = 0; i < 72; i += 6) { // it is settled after 16 and after 64
    const talks = Array.from({ length: 6 }, () => talk(server.port, ""));
    for (const text of await Promise.all(talks)) assert.equal(text, "whole");
  }
});
