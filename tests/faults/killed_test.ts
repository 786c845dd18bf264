import assert from "node:assert/strict";
import { killNow } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { connect, hasEnded, hold, roundTrip } from "../helpers/wire_client.ts";

/** The processes that wait for connections when one was served. */
async function idleOf(server: TestServer): Promise<number[]> {
  (await hold(server.port)).close();
  await server.log.waitFor("client disconnected...");
  return await server.waiting();
}

for (const model of models()) {
  test(`faults (${model}): a client whose process is killed before it took it is served by another, and those that wait are replaced`, async () => {
    await using server = await startServer({
      model,
      crew: "usual",
      args: ["--log-level", "debug"],
    });
    const idle = await idleOf(server);
    for (const pid of idle) Deno.kill(pid, "SIGSTOP"); // so that none of them can take it
    const conn = await connect(server.port);
    const peer = `127.0.0.1:${conn.localAddr.port}`;
    await server.log.waitFor((line) =>
      line.message === "accepted" && line.peer === peer
    );
    for (const pid of idle) killNow(pid);
    assert.equal(await roundTrip(conn), "hello");
    assert.ok(!idle.includes(await server.processOf(conn)));
    assert.equal(
      server.log.where("client disconnected...").length,
      1,
      "nobody was lost",
    );
    conn.close();
    for (const pid of await server.waiting()) killNow(pid);
    for (let i = 0; i < 3; i++) {
      using conn = await hold(server.port);
      assert.equal(await roundTrip(conn), "hello");
    }
  });

  test(`faults (${model}): a serving process that is killed ends its connection and no other, also some of many under load`, async () => {
    const COUNT = 6, VICTIMS = 3; // a pool has processes for eight
    const crew = model === "pool" ? "usual" : "few";
    await using server = await startServer({ model, crew });
    using first = await hold(server.port);
    using other = await hold(server.port);
    const pid = await server.processOf(first);
    killNow(pid);
    assert.ok(await hasEnded(first));
    const line = await server.log.waitFor("client disconnected...");
    assert.deepEqual([line.level, line.pid, line.reason], [
      "WARN",
      pid,
      "killed: SIGKILL",
    ]);
    const removed = await server.log.waitFor(`removed proc id: ${pid}`);
    assert.equal(removed.signal, "SIGKILL");
    assert.equal(await roundTrip(other), "hello");
    using next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
    assert.equal(server.log.where("client disconnected...").length, 1);

    const conns = await Promise.all(
      Array.from({ length: COUNT }, () => hold(server.port)),
    );
    let going = true;
    const rounds = conns.map(async (conn) => {
      try {
        do {
          if (await roundTrip(conn, "x".repeat(5000)) !== "x".repeat(5000)) {
            return "ended";
          }
        } while (going);
        return "served";
      } catch {
        return "ended";
      }
    });
    const pids = await Promise.all(conns.map((conn) => server.processOf(conn)));
    const victims = pids.toSorted(() => Math.random() - 0.5).slice(0, VICTIMS);
    for (const pid of victims) killNow(pid);
    const killed = () =>
      server.log.lines.filter(({ reason }) =>
        String(reason).startsWith("killed")
      );
    await until("the killed are logged", () => killed().length > VICTIMS);
    using last = await hold(server.port);
    assert.equal(await roundTrip(last), "hello");
    going = false;
    const expected = pids.map((pid) =>
      victims.includes(pid) ? "ended" : "served"
    );
    assert.deepEqual(await Promise.all(rounds), expected);
    assert.deepEqual(
      new Set(killed().map(({ pid }) => pid)),
      new Set([pid, ...victims]),
    );
    for (const conn of conns) conn.close();
  });
}
