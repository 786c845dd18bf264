import assert from "node:assert/strict";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, exchange, hold } from "../helpers/wire_client.ts";

const bytes = new TextEncoder().encode("hello");

for (const model of models()) {
  const oneEach = model !== "pool"; // pool keeps its processes

  test(`log (${model}): begins with where it listens, tells a connection in the seed's words and order, each of many exactly once under its own id, and ends with its end`, async () => {
    await using server = await startServer({ model });
    using conn = await connect(server.port);
    await exchange(conn, bytes);
    const connected = await server.log.waitFor("new client connected...");
    const disconnected = await server.log.waitFor("client disconnected...");
    const peer = `127.0.0.1:${conn.localAddr.port}`;
    const { pid } = connected;
    assert.deepEqual(
      [connected.level, connected.id, connected.peer],
      ["INFO", 1, peer],
    );
    assert.ok(Number.isInteger(pid) && pid !== server.pid);
    assert.deepEqual(
      [
        disconnected.id,
        disconnected.peer,
        disconnected.pid,
        disconnected.in,
        disconnected.out,
      ],
      [1, peer, pid, 5, 5],
    );
    assert.ok(Number.isInteger(disconnected.ms));
    if (oneEach) {
      const removed = await server.log.waitFor(`removed proc id: ${pid}`);
      const order = [connected, disconnected, removed].map((line) =>
        server.log.lines.indexOf(line)
      );
      assert.deepEqual(order, order.toSorted((a, b) => a - b));
      assert.equal(removed.code, 0);
    }

    // Of many, each exactly once, under its own number.
    const MORE = model === "spawn" ? 4 : 15, COUNT = 1 + MORE;
    await Promise.all(Array.from({ length: MORE }, async () => {
      using conn = await connect(server.port);
      await exchange(conn, bytes);
    }));
    await server.stop();
    const { log } = server;
    await log.ended;
    const ids = Array.from({ length: COUNT }, (_, i) => i + 1);
    for (const words of ["new client connected...", "client disconnected..."]) {
      const told = log.where(words).map(({ id }) => Number(id));
      assert.deepEqual(told.toSorted((a, b) => a - b), ids, words);
    }
    for (const id of ids) {
      const words = log.lines.filter((line) => line.id === id).map((
        { message },
      ) => message);
      assert.deepEqual(words, [
        "new client connected...",
        "client disconnected...",
      ]);
    }
    const removed = log.where("removed proc id").map(({ pid }) => pid);
    assert.equal(
      new Set(removed).size,
      removed.length,
      "no process is removed twice",
    );
    const served = new Set(
      log.where("new client connected...").map(({ pid }) => pid),
    );
    if (oneEach) assert.equal(served.size, COUNT, "no process serves twice");
    for (const pid of served) {
      assert.ok(removed.includes(pid), `${pid} was removed`);
    }
    assert.deepEqual(log.others, [], "every line is JSON");
    const [first] = server.log.lines, last = server.log.lines.at(-1);
    assert.deepEqual(
      [first?.address, first?.model, first?.pid, first?.connect],
      [
        `127.0.0.1:${server.port}`,
        model,
        server.pid,
        `mpserv client 127.0.0.1 ${server.port}`,
      ],
    );
    assert.deepEqual([last?.message, last?.pid], ["server ended", server.pid]);
  });
}

for (const model of anyModel()) {
  test(`log (${model}): --log-level debug also tells that a connection was accepted`, async () => {
    await using chatty = await startServer({
      model,
      args: ["--log-level", "debug"],
    });
    (await hold(chatty.port)).close();
    await chatty.log.waitFor("client disconnected...");
    assert.equal(chatty.log.where(/^accepted$/).length, 1);
  });
}
