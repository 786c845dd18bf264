import assert from "node:assert/strict";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { test, unlessHeldUp } from "../helpers/testing.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

// A child's own code keeps it: for one connection, and for one after the other.
for (const model of models().filter((name) => name !== "fork")) {
  test(
    `--idle-timeout (${model}): ends an idle connection, not a busy one`,
    unlessHeldUp(3_000, async () => {
      await using server = await startServer({
        model,
        args: ["--idle-timeout", "3s"],
      });
      using busy = await hold(server.port);
      using idle = await hold(server.port);
      let ended = false;
      const end = receiveAll(idle).then(({ length }) => {
        ended = true;
        return length;
      });
      end.catch(() => {}); // it is looked at below
      while (!ended) {
        assert.equal(await roundTrip(busy), "hello");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.equal(await end, 0);
      const line = await server.log.waitFor("client disconnected...");
      assert.deepEqual(
        [line.peer, line.reason, line.in, line.out],
        [`127.0.0.1:${idle.localAddr.port}`, "idle", 5, 5],
      );
      assert.equal(await roundTrip(busy), "hello");
      assert.equal(server.log.where("client disconnected...").length, 1);
    }),
  );
}

for (const model of anyModel()) {
  test(`--idle-timeout (${model}): ends a client that never sends, and one that never reads`, async () => {
    await using server = await startServer({
      model,
      args: ["--idle-timeout", "500ms"],
    });
    using silent = await connect(server.port);
    using stuck = await connect(server.port);
    const sending = send(stuck, new Uint8Array(64 << 20)).catch(() => {});
    await server.log.waitForCount("client disconnected...", 2);
    const reasons = server.log.where("client disconnected...").map((
      { reason },
    ) => reason);
    assert.deepEqual(reasons, ["idle", "idle"]);
    assert.equal((await receiveAll(silent)).length, 0);
    await sending;
  });
}
