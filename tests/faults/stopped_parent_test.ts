import assert from "node:assert/strict";
import { processInfo } from "../helpers/processes.ts";
import { models, startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { connect, exchange, hold, roundTrip } from "../helpers/wire_client.ts";

for (const model of models()) {
  const LATE = model === "spawn" ? 5 : 20; // there each costs a runtime

  test(`stopped parent (${model}): who is served notices nothing, and who came meanwhile is served after`, async () => {
    await using server = await startServer({
      model,
      args: ["--idle-timeout", "10m", "--max-lifetime", "10m"],
    });
    using held = await hold(server.port);
    server.signal("SIGSTOP");
    await until("it is stopped", () => processInfo(server.pid)?.state === "T");
    const bytes = new TextEncoder().encode("late");
    const late = Array.from({ length: LATE }, async () => {
      using conn = await connect(server.port); // into the backlog
      return await exchange(conn, bytes);
    });
    assert.equal(await roundTrip(held), "hello");
    server.signal("SIGCONT");
    for (const answer of await Promise.all(late)) {
      assert.deepEqual(answer, bytes);
    }
    assert.equal(await roundTrip(held), "hello");
    held.close();
    await server.stop();
    await server.log.ended;
    const { accepted, served, refused } = await server.log.waitFor(
      "server ended",
    );
    assert.deepEqual([accepted, served, refused], [LATE + 1, LATE + 1, 0]);
    const troubles = server.log.lines.filter(({ level }) => level !== "INFO");
    assert.deepEqual(troubles, []);
  });
}
