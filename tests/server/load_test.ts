import assert from "node:assert/strict";
import {
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { randomBytes, sameBytes, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** One client with bytes of its own. */
async function visit(server: TestServer, size: number): Promise<boolean> {
  using conn = await connect(server.port);
  const bytes = randomBytes(size);
  return sameBytes(await exchange(conn, bytes), bytes);
}

/** Serves one client, so that what the runtime opens once and keeps is open and tells it. */
async function warmUp(server: TestServer): Promise<string[]> {
  await visit(server, 1);
  await server.log.waitFor("client disconnected...");
  return await server.steadyDescriptors();
}

/** Nothing of some connections is left, in the log or among the processes. */
async function nothingIsLeft(
  server: TestServer,
  count: number,
  descriptors: string[],
): Promise<void> {
  await server.log.waitForCount("client disconnected...", count);
  assert.deepEqual(await server.steadyDescriptors(), descriptors);
  assert.equal(server.log.where("new client connected...").length, count);
  assert.equal(server.log.where("client disconnected...").length, count);
  const levels = new Set(server.log.lines.map(({ level }) => level));
  assert.deepEqual(levels, new Set(["INFO"]), `${server.log}`);
}

/** How many connections: each of `spawn` costs a runtime. */
const COUNTS = (model: Model) =>
  model === "spawn" ? { inTurn: 4, atOnce: 6 } : { inTurn: 100, atOnce: 60 };

for (const model of models()) {
  const { inTurn, atOnce } = COUNTS(model);

  test(`load (${model}): ${inTurn} connections one after another, and ${atOnce} at once, are all served, and nothing is left`, async () => {
    await using server = await startServer({ model });
    const before = await warmUp(server);
    for (let i = 0; i < inTurn; i++) {
      assert.ok(await visit(server, 1 + i * 97));
    }
    await nothingIsLeft(server, inTurn + 1, before);
    const served = await Promise.all(
      Array.from({ length: atOnce }, (_, i) => visit(server, 1000 * i)),
    );
    assert.ok(served.every((exact) => exact));
    await nothingIsLeft(server, inTurn + atOnce + 1, before);
  });
}
