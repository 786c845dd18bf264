/** Limits of time: which connections they end, how, and what is told. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { notRewound } from "../helpers/models.ts";
import { test, unlessHeldUp } from "../helpers/testing.ts";
import {
  connect,
  hold,
  receive,
  receiveAll,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

const patient = fileURLToPath(
  new URL("../service/handlers/patient.ts", import.meta.url),
);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A child's own code keeps it: for one connection, and for one after the other. */
const BY_CHILD = models().filter((name) => name !== "fork");

for (const model of BY_CHILD) {
  test(
    `--first-byte-timeout (${model}): ends a silent client, not one that has spoken`,
    unlessHeldUp(1_000, async () => {
      await using server = await startServer({
        model,
        args: ["--first-byte-timeout", "1s"],
      });
      using spoken = await hold(server.port);
      using silent = await connect(server.port);
      assert.equal((await receiveAll(silent)).length, 0);
      const line = await server.log.waitFor("client disconnected...");
      assert.deepEqual(
        [line.peer, line.reason, line.in, line.out],
        [`127.0.0.1:${silent.localAddr.port}`, "first-byte", 0, 0],
      );
      assert.equal(await roundTrip(spoken), "hello");
      assert.equal(server.log.where("client disconnected...").length, 1);
    }),
  );
}

for (const model of anyModel()) {
  test(
    `--max-lifetime (${model}): ends a connection however busy it is, and others are served`,
    unlessHeldUp(1_000, async () => {
      await using server = await startServer({
        model,
        args: ["--max-lifetime", "1s"],
      });
      using busy = await hold(server.port);
      const end = (async () => {
        for (;;) assert.equal(await roundTrip(busy), "hello");
      })();
      await assert.rejects(end);
      const line = await server.log.waitFor("client disconnected...");
      assert.equal(line.peer, `127.0.0.1:${busy.localAddr.port}`);
      assert.equal(line.reason, "lifetime");
      assert.ok(Number(line.ms) >= 1000);
      using next = await hold(server.port);
      assert.equal(await roundTrip(next), "hello");
    }),
  );
}

for (const model of models()) {
  test(`--max-lifetime (${model}): a handler's signal comes first, and its last words arrive`, async () => {
    await using server = await startServer({
      model,
      args: [
        ...["--max-lifetime", "500ms", "--handler", patient],
        ...notRewound(model),
        ...["--workers", "1"], // nobody must meet the signal of the one before
      ],
    });
    for (let i = 1; i <= 2; i++) {
      using conn = await connect(server.port);
      assert.equal(text(await receive(conn, 6)), "hello ");
      assert.equal(text(await receiveAll(conn)), "goodbye");
      await server.log.waitForCount("client disconnected...", i);
    }
    for (const line of server.log.where("client disconnected...")) {
      assert.deepEqual([line.level, line.reason, line.out], [
        "INFO",
        "lifetime",
        13,
      ]);
      assert.ok(Number(line.ms) >= 500);
    }
  });
}

for (const model of anyModel()) {
  test(`--max-lifetime (${model}): a handler that does not hear is killed`, async () => {
    const deaf = fileURLToPath(new URL("./handlers/deaf.ts", import.meta.url));
    await using server = await startServer({
      model,
      args: ["--max-lifetime", "500ms", "--handler", deaf],
    });
    using conn = await connect(server.port);
    await send(conn, new Uint8Array(1));
    await receiveAll(conn).catch(() => {});
    const line = await server.log.waitFor("client disconnected...");
    assert.equal(line.reason, "lifetime");
    const removed = await server.log.waitFor(({ message, pid }) =>
      message.startsWith("removed") && pid === line.pid
    );
    assert.equal(removed.signal, "SIGKILL");
  });
}
