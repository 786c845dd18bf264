/** Limits of time for programs, which keep none themselves. */
import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { type Model, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "./program_models.ts";

/** One connection that is busy, and one that is not; on a busy machine its client may be late by seconds. */
async function idles(model: Model): Promise<void> {
  await using server = await startServer({
    model,
    args: ["--idle-timeout", "5s", "--", "cat"],
  });
  using busy = await hold(server.port);
  using idle = await hold(server.port);
  let ended = false;
  const end = receiveAll(idle).then(() => ended = true);
  while (!ended) {
    assert.equal(await roundTrip(busy), "hello");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await end;
  const line = await server.log.waitFor("client disconnected...");
  assert.deepEqual([line.level, line.peer, line.reason], [
    "INFO",
    `127.0.0.1:${idle.localAddr.port}`,
    "idle",
  ]);
  assert.ok(Number(line.ms) >= 5000);
  assert.equal(await roundTrip(busy), "hello");
}

test(`program (${programModels()}): --idle-timeout ends an idle connection, not a busy one`, async () => {
  await Promise.all(programModels().map(idles)); // at once: they take their time
});

for (const model of anyProgramModel()) {
  test(`program (${model}): --first-byte-timeout ends a silent client, not one that has spoken`, async () => {
    await using server = await startServer({
      model,
      args: ["--first-byte-timeout", "1s", "--", "cat"],
    });
    using spoken = await hold(server.port);
    using silent = await connect(server.port);
    assert.equal((await receiveAll(silent)).length, 0);
    const line = await server.log.waitFor("client disconnected...");
    assert.equal(line.peer, `127.0.0.1:${silent.localAddr.port}`);
    assert.equal(line.reason, "first-byte");
    assert.equal(await roundTrip(spoken), "hello");
    assert.equal(server.log.where("client disconnected...").length, 1);
  });
}

for (const model of programModels()) {
  test(`program (${model}): --max-lifetime kills one that will not end, and what it started`, async () => {
    await using server = await startServer({
      model,
      args: [
        ...["--max-lifetime", "500ms", "--", "sh", "-c"],
        'trap "" TERM; echo ready; while :; do sleep 0.1; done',
      ],
    });
    for (let isReady = false; !isReady;) { // on a busy machine its time may be up before
      using conn = await connect(server.port);
      isReady = (await receiveAll(conn)).length > 0;
      const peer = `127.0.0.1:${conn.localAddr.port}`;
      const { reason, pid } = await server.log.waitFor((line) =>
        line.message === "client disconnected..." && line.peer === peer
      );
      assert.equal(reason, "lifetime");
      const { signal } = await server.log.waitFor(`removed proc id: ${pid}`);
      if (isReady) assert.equal(signal, "SIGKILL");
    }
  });
}

test("program: a limit that cannot be kept on a Unix domain socket is refused in one line", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/socket`;
  for (const flag of ["--idle-timeout", "--first-byte-timeout"]) {
    const { code, stderr } = await runCommand([
      ...["serve", "--unix", path, flag, "3s", "--", "cat"],
    ]);
    assert.match(stderr, new RegExp(`^error: Cannot use ${flag} [^\\n]+\\n$`));
    assert.match(stderr, /with a program on a Unix domain socket/);
    assert.equal(code, 2);
  }
});
