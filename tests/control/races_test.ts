/** Control clients that want different things at once, or the same. */
import assert from "node:assert/strict";
import { ControlClient } from "../../src/control/ask.ts";
import { Inheritance } from "../../src/control/inheritance.ts";
import type { Status } from "../../src/control/protocol.ts";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";
import { controlled, controlPath, json } from "./helpers.ts";

const MODEL = "spawn"; // the control socket knows nothing of models
const WELL = { success: true, code: 0, signal: null };

test("control race: of several that take over at once, one does, and the others say why not", async () => {
  await using server = await startServer({ model: MODEL });
  const port = String(server.port);
  await controlled(controlPath(server));
  using held = await hold(server.port);
  using first = await Inheritance.ask(controlPath(server), 128);
  const late = await Promise.all(
    [1, 2, 3].map(() => runCommand(["serve", port, "--take-over"])),
  );
  for (const { code, stderr } of late) {
    assert.match(stderr, /^error: Cannot take over [^\n]*another server is/);
    assert.equal(code, 1);
  }
  assert.equal(await first.takePlace(), 1);
  assert.equal(await roundTrip(held), "hello");
  held.close();
  assert.deepEqual({ ...await server.exit() }, WELL);
  first.listener.close();
});

test("control race: a drain between `listener` and `yield` leaves the socket to the next", async () => {
  await using server = await startServer({ model: MODEL });
  const path = await controlled(controlPath(server));
  using held = await hold(server.port);
  using next = await Inheritance.ask(path, 128);
  using other = await ControlClient.connect(path);
  assert.equal((await other.ask({ command: "drain" })).live, 1);
  assert.equal((await other.ask({ command: "drain" })).live, 1, "again");
  using waiting = await Deno.connect({ port: server.port }); // it listens on
  await next.takePlace();
  held.close();
  assert.deepEqual({ ...await server.exit() }, WELL);
  waiting.close();
  next.listener.close();
});

test("control race: who was to take over and goes while the server drains changes nothing", async () => {
  await using server = await startServer({ model: MODEL });
  const path = await controlled(controlPath(server));
  const held = await hold(server.port);
  {
    using next = await Inheritance.ask(path, 128);
    using other = await ControlClient.connect(path);
    await other.ask({ command: "drain" });
    await server.log.waitFor(/^draining/);
    next.listener.close();
  }
  assert.equal(await roundTrip(held), "hello");
  held.close();
  assert.deepEqual({ ...await server.exit() }, WELL);
  await server.log.ended;
  assert.equal(server.log.where(/continues to serve/).length, 0, "it ends");
});

test("control race: one connection that is dropped by many at once ends once", async () => {
  await using server = await startServer({ model: MODEL });
  const path = await controlled(controlPath(server));
  using _held = await hold(server.port);
  const clients = await Promise.all(
    Array.from({ length: 8 }, () => ControlClient.connect(path)),
  );
  const answers = await Promise.allSettled(
    clients.map((client) => client.ask({ command: "drop", id: 1 })),
  );
  for (const client of clients) client[Symbol.dispose]();
  assert.ok(answers.some(({ status }) => status === "fulfilled"));
  for (const answer of answers) {
    if (answer.status === "rejected") {
      // Whose question came when it had ended already is told that there is none.
      assert.match(
        String(answer.reason),
        /Cannot drop connection 1: (there is|no such connection)/,
      );
    }
  }
  await server.log.waitFor("client disconnected...");
  await until(
    "it is gone",
    async () => (await json<Status>(["status", path])).totals.active === 0,
  );
  assert.equal(server.log.where("client disconnected...").length, 1);
});
