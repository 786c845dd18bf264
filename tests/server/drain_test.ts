import assert from "node:assert/strict";
import { commandLine } from "../helpers/command.ts";
import { EmulatedTerminal } from "../helpers/emulated_terminal.ts";
import { MODELS } from "../helpers/models.ts";
import { serverSockets } from "../helpers/processes.ts";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import {
  connect,
  exchange,
  hasEnded,
  hold,
  roundTrip,
} from "../helpers/wire_client.ts";

const WELL = { success: true, code: 0, signal: null };

for (const model of models()) {
  // Which signal it was, the parent alone knows.
  const signals = model === "spawn" ? ["SIGTERM", "SIGINT"] : ["SIGTERM"];
  for (const signal of signals as Deno.Signal[]) {
    test(`drain (${model}): ${signal} refuses new clients, lets the held one finish, and ends well`, async () => {
      await using server = await startServer({ model });
      using held = await hold(server.port);
      server.signal(signal);
      const line = await server.log.waitFor(/^draining/);
      assert.equal(line.live, 1);
      await assert.rejects(connect(server.port), Deno.errors.ConnectionRefused);
      assert.equal(await roundTrip(held, "still here"), "still here");
      const rest = new TextEncoder().encode("to the end");
      assert.deepEqual(await exchange(held, rest), rest);
      assert.deepEqual({ ...await server.exit() }, WELL);
      const { reason } = await server.log.waitFor("client disconnected...");
      assert.equal(reason, "closed");
    });
  }
}

for (const model of anyModel("fork")) {
  test(`drain (${model}): clients in the backlog are served`, async () => {
    await using server = await startServer({ model });
    server.signal("SIGSTOP");
    const conns = await Promise.all(
      Array.from({ length: 5 }, () => connect(server.port)),
    );
    server.signal("SIGTERM");
    server.signal("SIGCONT");
    await server.log.waitFor(/^draining/);
    for (const conn of conns) {
      assert.equal(await roundTrip(conn), "hello");
      conn.close();
    }
    assert.deepEqual({ ...await server.exit() }, WELL);
    await server.log.ended;
    assert.equal(
      server.log.where("client disconnected...").length,
      conns.length,
    );
  });
}

for (const model of models()) {
  test(`drain (${model}): without clients ends at once and well, and nothing is said of them`, async () => {
    await using server = await startServer({ model });
    assert.deepEqual({ ...await server.stop() }, WELL);
    assert.deepEqual(server.survivors(), []);
    await server.log.ended;
    assert.equal(server.log.where(/connections may finish/).length, 0);
  });

  test(`drain (${model}): a second SIGTERM ends what is left, and well`, async () => {
    await using server = await startServer({ model });
    using held = await hold(server.port);
    server.signal("SIGTERM");
    await server.log.waitFor(/^draining/);
    await server.log.waitFor(
      /^connections may finish for [^:]+: a second SIGTERM ends them now$/,
    );
    assert.deepEqual({ ...await server.stop() }, WELL);
    assert.ok(await hasEnded(held));
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.match(String(reason), /^killed/);
  });
}

for (const model of anyModel()) {
  test(`drain (${model}): --drain-timeout ends what is left, and well`, async () => {
    await using server = await startServer({
      model,
      args: ["--drain-timeout", "300ms"],
    });
    using held = await hold(server.port);
    assert.deepEqual({ ...await server.stop() }, WELL);
    assert.ok(await hasEnded(held));
    const line = await server.log.waitFor(/^drain timeout/);
    assert.deepEqual([line.level, line.live], ["WARN", 1]);
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.match(String(reason), /^killed/);
  });

  test(
    `drain (${model}): a terminal that is closed drains the server`,
    async () => {
      await using terminal = new EmulatedTerminal(
        commandLine([
          ...["serve", "0", "--model", model],
          ...MODELS[model]!.few.args,
        ]),
        [5, 120],
      );
      await terminal.shows(/listening on/);
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(terminal.sent)?.[1]);
      using held = await hold(port);
      await terminal.hangUp();
      await until(
        "the port is free",
        () => serverSockets(port).listening.size === 0,
      );
      assert.equal(await roundTrip(held), "hello");
      held.close();
      assert.equal(await terminal.exit(), 0);
    },
    { ignore: missing("a closed terminal", "python3") },
  );

  test(`drain (${model}): SIGHUP drains, again and again`, async () => {
    await using server = await startServer({ model });
    const held = await hold(server.port);
    for (let i = 0; i < 3; i++) {
      server.signal("SIGHUP");
      await server.log.waitForCount("received SIGHUP", i + 1);
    }
    assert.equal(await roundTrip(held), "hello");
    held.close();
    assert.deepEqual({ ...await server.exit() }, WELL);
  });

  test(`drain (${model}): SIGHUP that was ignored at the start stays so`, async () => {
    await using server = await startServer({
      model,
      through: ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh"],
    });
    const held = await hold(server.port);
    server.signal("SIGHUP");
    assert.equal(await roundTrip(held), "hello");
    const next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
    for (const conn of [held, next]) conn.close();
    assert.deepEqual({ ...await server.stop("SIGTERM") }, WELL);
    assert.equal(server.log.where(/SIGHUP/).length, 0);
  });
}

test("drain: SIGINT with clients says how long they have, and what ends them now", async () => {
  await using server = await startServer({ args: ["--drain-timeout", "90s"] });
  using held = await hold(server.port);
  server.signal("SIGINT");
  await server.log.waitFor(
    "connections may finish for 90s: a second Ctrl-C ends them now",
  );
  server.signal("SIGINT");
  assert.deepEqual({ ...await server.exit() }, WELL);
  assert.ok(await hasEnded(held));
});

for (const model of models()) {
  test(`drain (${model}): under load nobody is reset: every client is served whole or refused`, async () => {
    await using server = await startServer({ model });
    const bytes = new TextEncoder().encode("served whole");
    let served = 0;
    const client = async () => {
      for (;;) {
        let conn: Deno.Conn;
        try {
          conn = await connect(server.port);
        } catch (error) {
          assert.ok(error instanceof Deno.errors.ConnectionRefused, `${error}`);
          return;
        }
        assert.deepEqual(await exchange(conn, bytes), bytes);
        conn.close();
        served++;
      }
    };
    const clients = Promise.all(Array.from({ length: 4 }, client));
    clients.catch(() => {}); // told below
    const enough = model === "spawn" ? 4 : 20; // there each costs a runtime
    await until("clients are served", () => served > enough);
    server.signal("SIGTERM");
    await clients;
    assert.deepEqual({ ...await server.exit() }, WELL);
    await server.log.ended;
    assert.equal(server.log.where("client disconnected...").length, served);
  });
}

for (const model of models().filter((model) => model !== "spawn")) {
  test(`drain (${model}): a zygote that is stopped is no reason to stay`, async () => {
    await using server = await startServer({
      model,
      args: ["--drain-timeout", "300ms"],
    });
    using held = await hold(server.port);
    // Those that it has just forked have its name for a moment.
    for (const { pid, comm, parent } of server.children()) {
      const isZygote = comm === "mpserv:zygote" && parent === server.pid;
      if (isZygote) Deno.kill(pid, "SIGSTOP");
    }
    assert.deepEqual({ ...await server.stop() }, WELL);
    assert.ok(await hasEnded(held));
    await until("nothing is left", () => server.survivors().length === 0);
  });
}
