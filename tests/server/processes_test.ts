import assert from "node:assert/strict";
import { countSockets, serverSockets } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { settles, test, until } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

const COUNT = 5;

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
  test(`processes (${model}): every held connection is in a process of its own, and in no other`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    const conns = await holdMany(server);
    await server.log.waitForCount("new client connected...", COUNT);
    const serving = await server.servers(COUNT);
    const { connected } = serverSockets(server.port);
    assert.equal(connected.size, COUNT);
    assert.ok(serving.every(({ connections }) => connections === 1));
    const logged = server.log.where("new client connected...").map(({ pid }) =>
      pid
    );
    assert.deepEqual(
      new Set(serving.map(({ pid }) => pid)),
      new Set(logged),
    );
    assert.equal(countSockets(server.pid, connected), 0, "the parent has none");
    for (const conn of conns) conn.close();
  });

  test(`processes (${model}): only the parent has the listener`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    const conns = await holdMany(server);
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
    for (const conn of conns) conn.close();
  });

  test(`processes (${model}): after the last connection no zombie, process or descriptor is left`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    await warmUp(server);
    const before = await server.steadyDescriptors();
    for (let round = 0; round < 2; round++) {
      for (const conn of await holdMany(server)) conn.close();
      await server.log.waitForCount(
        "client disconnected...",
        1 + COUNT * (round + 1),
      );
      assert.deepEqual(await server.steadyDescriptors(), before);
    }
    assert.equal(
      server.log.where("client disconnected...").length,
      1 + 2 * COUNT,
    );
  });

  test(`processes (${model}): have names that tell them apart`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    using conn = await hold(server.port);
    const { comm } = server.survivors().find(({ pid }) => pid === server.pid)!;
    const [serving] = await server.servers();
    const child = server.children().find(({ pid }) => pid === serving!.pid);
    assert.deepEqual([comm, child?.comm], ["mpserv", "mpserv:conn"]);
    assert.equal(await roundTrip(conn), "hello");
  });
}

test("processes (spawn): two spares wait, beside those that serve", async () => {
  await using server = await startServer({ model: "spawn", crew: "usual" });
  const conns = await holdMany(server);
  await until("two spares wait", () => {
    return server.children().filter(({ comm }) => comm === "mpserv:conn")
      .length === COUNT + 2;
  });
  await server.servers(COUNT);
  for (const conn of conns) conn.close();
});

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
