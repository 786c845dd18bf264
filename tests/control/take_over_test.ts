import assert from "node:assert/strict";
import { Inheritance } from "../../src/control/inheritance.ts";
import type { Status } from "../../src/control/protocol.ts";
import { runHere } from "../helpers/run_here.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import {
  exists,
  settles,
  temporaryDirectory,
  test,
  until,
} from "../helpers/testing.ts";
import { exchange, hold, roundTrip } from "../helpers/wire_client.ts";
import { ask, controlled, controlPath, json } from "./helpers.ts";

/** Clients one after another, as fast as they can, until they are told to stop. */
class Clients {
  served = 0;
  #running = true;
  readonly #failures: unknown[] = [];
  readonly #loops: Promise<unknown>[];

  constructor(count: number, connect: () => Promise<Deno.Conn>) {
    this.#loops = Array.from(
      { length: count },
      () => this.#loop(connect).catch((error) => this.#failures.push(error)),
    );
  }

  /** Ends them; none may have met an error. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
    assert.deepEqual(this.#failures, []);
  }

  async #loop(connect: () => Promise<Deno.Conn>): Promise<void> {
    const bytes = new TextEncoder().encode("here and back");
    while (this.#running) {
      using conn = await connect();
      assert.deepEqual(await exchange(conn, bytes), bytes);
      this.served++;
    }
  }
}

for (const model of models()) {
  // There each connection costs a runtime.
  const { crowd, enough } = model === "spawn"
    ? { crowd: 1, enough: 2 }
    : { crowd: 2, enough: 10 };
  const restarts = model === "fork" ? 2 : 1; // that one may follow another is the parent's

  test(`take-over (${model}): clients at full speed lose nothing, and each server ends well`, async () => {
    const servers: TestServer[] = [await startServer({ model })];
    const [first] = servers as [TestServer];
    const { port } = first;
    try {
      using held = await hold(port);
      const clients = new Clients(
        crowd,
        () => Deno.connect({ hostname: "127.0.0.1", port }),
      );
      await controlled(controlPath(first));
      for (let i = 0; i < restarts; i++) {
        const before = servers.at(-1)!;
        const served = clients.served;
        const next = await startServer({
          model,
          port: String(port),
          args: ["--take-over"],
        });
        servers.push(next);
        const { from } = await next.log.waitFor("taken over");
        assert.equal(from, before.pid);
        await before.log.waitFor(/^draining/);
        await until("clients go on", () => clients.served > served + enough);
        await settles(async () => { // it opens its control socket when it has taken over
          const { pid } = await json<Status>(["status", controlPath(first)]);
          assert.equal(pid, next.pid);
        });
        if (i > 0) assert.equal((await before.exit()).code, 0);
      }
      await clients.stop();
      assert.equal(await roundTrip(held), "hello", "the first still serves it");
      held.close();
      assert.equal((await first.exit()).code, 0);
      await first.log.ended;
      for (const { log } of servers) {
        assert.equal(log.where(/refused|^drain timeout/).length, 0);
      }
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
    }
    assert.equal(exists(controlPath(first)), false);
  });
}

test("take-over: of a Unix domain socket, whose file stays where it is", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  const start = (more: string[]) =>
    startServer({
      model: "fork",
      port: null,
      args: ["--unix", path, "--log-level", "debug", ...more],
    });
  await using first = await start([]);
  const clients = new Clients(
    1,
    () => Deno.connect({ transport: "unix", path }),
  );
  await first.log.waitFor("control socket is open");
  await using second = await start(["--take-over"]);
  await second.log.waitFor("taken over");
  assert.equal((await first.exit()).code, 0);
  const { served } = clients;
  await until("clients go on", () => clients.served > served + 20);
  await clients.stop();
  assert.ok(exists(path));
  await second.stop();
  assert.equal(exists(path), false);
});

test("take-over: when the next server does not come to serve, the one that runs goes on", async () => {
  await using server = await startServer();
  const path = await controlled(controlPath(server));
  {
    using inheritance = await Inheritance.ask(path, 128);
    assert.equal(inheritance.from, server.pid);
    await assert.rejects(
      Inheritance.ask(path, 128),
      /another server is taking over/,
    );
    inheritance.listener.close();
  }
  await server.log.waitFor(/^the new server is gone/);
  (await hold(server.port)).close();
  using client = await ask(server);
  await assert.rejects(client.ask({ command: "yield" }), /Cannot hand over/);
  assert.equal((await client.ask({ command: "status" })).state, "serving");
  // And one that does can still take over.
  await using next = await startServer({
    port: String(server.port),
    args: ["--take-over"],
  });
  await next.log.waitFor("taken over");
  assert.equal((await server.exit()).code, 0);
  (await hold(next.port)).close();
});

test("take-over: a server that is told to end meanwhile leaves the socket to the next", async () => {
  await using server = await startServer();
  const path = await controlled(controlPath(server));
  using inheritance = await Inheritance.ask(path, 128);
  assert.equal((await server.stop()).code, 0);
  // Nobody accepts yet, but the socket listens: the client waits in the backlog.
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  assert.equal(await inheritance.takePlace(), 0);
  conn.close();
  inheritance.listener.close();
});

test("take-over: contradictions and missing servers are refused in one line", async () => {
  await using server = await startServer();
  const path = await controlled(controlPath(server));
  const port = String(server.port);
  const other = String(server.port === 65535 ? 1024 : server.port + 1);
  const cases: [string[], number, RegExp][] = [
    [["0"], 2, /with port 0: give/],
    [[port, "--control", "none"], 2, /both --take-over and --control none/],
    [[other, "--control", path], 2, /Cannot take over port \d+: .* listens on/],
    [
      [port, "--host", "127.0.0.2", "--control", path],
      2,
      /Cannot take over host "127\.0\.0\.2"/,
    ],
    [
      ["--unix", "/nowhere/echo.sock", "--control", path],
      2,
      /Cannot take over/,
    ],
    [["1"], 1, /Cannot find a server on port 1/],
    [["--unix", "/nowhere/echo.sock"], 1, /Cannot reach a server at/],
  ];
  for (const [args, wanted, message] of cases) {
    const { code, stderr } = await runHere([
      "serve",
      "--take-over",
      ...args,
    ]);
    assert.equal(code, wanted, stderr);
    assert.match(stderr, /^error: [^\n]+\n$/);
    assert.match(stderr, message);
  }
  (await hold(server.port)).close();
  assert.equal((await json<Status>(["status", path])).state, "serving");
});
