import assert from "node:assert/strict";
import { withDescriptors } from "../helpers/command.ts";
import { models, startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { connect, hold, roundTrip } from "../helpers/wire_client.ts";

for (const model of models()) {
  const count = model === "spawn" ? 40 : 100; // there each that is taken costs a runtime
  test(`descriptors (${model}): a server that runs out of them goes on and recovers`, async () => {
    await using server = await startServer({
      crew: model === "pool" ? "usual" : "few",
      model,
      through: withDescriptors(64),
    });
    using first = await hold(server.port);
    server.signal("SIGSTOP"); // or it might be done with the first before the last have come
    const conns = await Promise.all(
      Array.from({ length: count }, () => connect(server.port)),
    );
    server.signal("SIGCONT");
    // A pool takes no more clients than it has processes for: the others wait in the backlog.
    if (model !== "pool") {
      await server.log.waitFor(({ level, message }) =>
        level.startsWith("WARN") && /too many open files|EMFILE/i.test(message)
      );
    }
    assert.equal(await roundTrip(first), "hello", "who is served goes on");
    for (const conn of conns) conn.close();
    using next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
    await until("all that were accepted before have ended", () => {
      const began = server.log.where(/^(new client connected|client refused)/);
      const ended = server.log.where(/^client (disconnected|refused)/);
      return began.length - ended.length === 2; // the first and the next
    });
  });
}
