import assert from "node:assert/strict";
import { countSockets, serverSockets } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { settles, test, until } from "../helpers/testing.ts";
import { hold } from "../helpers/wire_client.ts";

const COUNT = 3;

/** The server's own clients, held open. */
async function holdMany(server: TestServer): Promise<Deno.TcpConn[]> {
  return await Promise.all(
    Array.from({ length: COUNT }, () => hold(server.port)),
  );
}

/** Serves one client, so that what the runtime opens once and keeps is open. */
async function warmUp(server: TestServer): Promise<void> {
  (await hold(server.port)).close();
  await server.log.waitFor("client disconnected...");
}

for (const model of models()) {
  test(`processes (${model}): every held connection is in a process of its own, only the parent has the listener, and afterwards nothing is left`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    await warmUp(server);
    const before = await server.steadyDescriptors();

    for (let round = 1; round <= 2; round++) {
      const conns = await holdMany(server);
      await server.log.waitForCount(
        "new client connected...",
        1 + COUNT * round,
      );
      await eachHasItsOwn(server);
      await theParentListens(server);
      if (model === "spawn") await twoSparesWait(server);
      for (const conn of conns) conn.close();
      await server.log.waitForCount(
        "client disconnected...",
        1 + COUNT * round,
      );
      // No zombie, process or descriptor.
      assert.deepEqual(await server.steadyDescriptors(), before);
    }
    assert.equal(
      server.log.where("client disconnected...").length,
      1 + 2 * COUNT,
    );
  });
}

/** Processes have names that tell them apart, and no two a connection, which the log has under their pids. */
async function eachHasItsOwn(server: TestServer): Promise<void> {
  const serving = await server.servers(COUNT);
  const { connected } = serverSockets(server.port);
  assert.equal(connected.size, COUNT);
  assert.ok(serving.every(({ connections }) => connections === 1));
  const logged = server.log.where("new client connected...").slice(-COUNT);
  const pids = new Set(serving.map(({ pid }) => pid));
  assert.deepEqual(pids, new Set(logged.map(({ pid }) => pid)));
  assert.equal(countSockets(server.pid, connected), 0, "the parent has none");
  const { comm } = server.survivors().find(({ pid }) => pid === server.pid)!;
  assert.equal(comm, "mpserv");
  const names = server.children().filter(({ pid }) => pids.has(pid))
    .map(({ comm }) => comm);
  assert.deepEqual(names, Array(COUNT).fill("mpserv:conn"));
}

async function theParentListens(server: TestServer): Promise<void> {
  const { listening } = serverSockets(server.port);
  assert.equal(listening.size, 1);
  assert.ok(countSockets(server.pid, listening) > 0);
  await settles(() => { // one that is just being started has all that the parent has
    const children = server.children();
    assert.ok(children.length >= COUNT);
    for (const { pid } of children) {
      assert.equal(countSockets(pid, listening), 0, `process ${pid}`);
    }
  });
}

/** Beside those that serve. */
async function twoSparesWait(server: TestServer): Promise<void> {
  await until("two spares wait", () => {
    return server.children().filter(({ comm }) => comm === "mpserv:conn")
      .length === COUNT + 2;
  });
  await server.servers(COUNT);
}

test("processes (spawn): --spares 0 starts a process when a client comes", async () => {
  await using server = await startServer({
    crew: "usual",
    model: "spawn",
    args: ["--spares", "0"],
  });
  assert.deepEqual(server.children(), []);
  {
    using _ = await hold(server.port);
    assert.equal(server.children().length, 1);
  }
  await until("no process is left", () => server.children().length === 0);
});
