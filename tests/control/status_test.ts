import assert from "node:assert/strict";
import type { MovingConnection } from "../../src/control/ask.ts";
import type { Status } from "../../src/control/protocol.ts";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import {
  DEADLINE,
  settles,
  temporaryDirectory,
  test,
  until,
} from "../helpers/testing.ts";
import { hasEnded, hold, roundTrip } from "../helpers/wire_client.ts";
import { ask, controlled, controlPath, json } from "./helpers.ts";

for (const model of models()) {
  test(`status, processes, connections, drop (${model}): say what the server and the system do, and end that connection alone`, async () => {
    await using server = await startServer({ model });
    using held = await hold(server.port);
    (await hold(server.port)).close();
    await server.log.waitFor("client disconnected...");
    await controlled(controlPath(server));
    const status = await json<Status>(["status", controlPath(server)]);
    assert.equal(status.pid, server.pid);
    assert.equal(status.model, model);
    assert.equal(status.state, "serving");
    assert.equal(status.address, `127.0.0.1:${server.port}`);
    const { accepted, served, active, ended } = status.totals;
    assert.deepEqual([accepted, served, active], [2, 2, 1]);
    const ends = Object.values(ended).reduce((sum, count) => sum + count, 0);
    assert.equal(ends, 1);
    assert.equal(status.children.serving, 1);
    assert.equal(status.zygotes > 0, model !== "spawn");
    assert.equal(await roundTrip(held), "hello");
    await eachProcessIsShown(server);

    using dropped = await hold(server.port);
    await server.log.waitForCount("new client connected...", 3);
    await connectionsAreListed(server, [held, dropped]);
    await dropEndsOne(server, dropped, held);
  });
}

/** Each one's parent, state and connection are what the system shows, while one connection is served. */
async function eachProcessIsShown(server: TestServer): Promise<void> {
  using client = await ask(server);
  const { processes } = await client.ask({ command: "processes" });
  const tree = new Map(
    server.children().map(({ pid, parent }) => [pid, parent] as const),
  );
  const known = processes.filter(({ pid }) => pid > 0);
  for (const { pid, parent } of known) {
    // Processes that have ended since are in neither list.
    if (tree.has(pid)) {
      assert.equal(tree.get(pid), parent, `parent of ${pid}`);
    }
  }
  const serving = known.filter(({ state }) => state === "serving");
  assert.deepEqual(serving.map(({ connection }) => connection), [1]);
  assert.deepEqual(
    (await server.servers()).map(({ pid }) => pid),
    serving.map(({ pid }) => pid),
  );
}

/** Lists who is served, by which process. */
async function connectionsAreListed(
  server: TestServer,
  conns: readonly Deno.TcpConn[],
): Promise<void> {
  let rows: MovingConnection[] = [];
  await settles(async () => {
    rows = await json(["connections", controlPath(server)]);
    // The kernel counts received bytes after the acknowledgement, which may take a moment.
    const moved = rows.map((row) => [row.in, row.out]);
    assert.deepEqual(moved, [[10, 10], [5, 5]]);
  });
  const [one, , three] = server.log.where("new client connected...");
  assert.deepEqual(rows.map(({ id, pid }) => [id, pid]), [
    [1, one!.pid],
    [3, three!.pid],
  ]);
  assert.deepEqual(
    new Set(rows.map(({ peer }) => peer)),
    new Set(
      conns.map(({ localAddr: { hostname, port } }) => `${hostname}:${port}`),
    ),
  );
  for (const row of rows) {
    assert.ok(row.age >= 0 && row.age < 600_000);
    assert.ok(row.idle! >= 0 && row.idle! <= row.age + DEADLINE); // asked for later
  }
}

/** Ends that connection and no other, and the log says so. */
async function dropEndsOne(
  server: TestServer,
  dropped: Deno.TcpConn,
  kept: Deno.TcpConn,
): Promise<void> {
  const { port } = dropped.localAddr as Deno.NetAddr;
  const { id } = await server.log.waitFor(({ peer, message }) =>
    peer === `127.0.0.1:${port}` && message.startsWith("new client")
  );
  const args = ["drop", String(id), controlPath(server)];
  const { code, stdout } = await runHere(args);
  assert.equal(code, 0);
  assert.equal(stdout, `dropping connection ${id} of 127.0.0.1:${port}\n`);
  assert.ok(await hasEnded(dropped));
  const end = await server.log.waitFor((line) =>
    line.message === "client disconnected..." && line.id === id
  );
  assert.equal(end.reason, "dropped");
  assert.equal(await roundTrip(kept), "hello");
  const again = await runHere(args);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^error: Cannot drop connection \d+: [^\n]+\n$/);
}

test("drain: connections finish, --wait waits for that, and the server ends well", async () => {
  await using server = await startServer();
  using held = await hold(server.port);
  await controlled(controlPath(server));
  const waiting = runCommand(["drain", String(server.port), "--wait"]);
  const line = await server.log.waitFor(/^draining/);
  assert.equal(line.live, 1);
  const status = await json<Status>(["status", controlPath(server)]);
  assert.equal(status.state, "draining");
  assert.equal(await roundTrip(held), "hello");
  held.close();
  assert.equal((await server.exit()).code, 0);
  const { code, stdout } = await waiting;
  assert.deepEqual([code, stdout], [0, "draining: 1 connection may finish\n"]);
});

test("status, connections: text for a person", async () => {
  await using server = await startServer();
  using _held = await hold(server.port);
  await controlled(controlPath(server));
  const port = String(server.port);
  const status = await runCommand(["status", port]);
  assert.equal(status.code, 0);
  const [first, second] = status.stdout.split("\n");
  assert.match(
    first!,
    new RegExp(
      `^mpserv \\S+ on 127\\.0\\.0\\.1:${port}  pid ${server.pid}  serving  up \\S+  model spawn`,
    ),
  );
  assert.equal(
    second,
    "connections  accepted 1  served 1  active 1  waiting 0",
  );
  const { stdout } = await runHere(["connections", controlPath(server)]);
  const [head, row, end] = stdout.split("\n");
  assert.match(head!, /^ID +PEER +PID +AGE +IDLE +IN +OUT$/);
  assert.match(row!, /^ 1 +127\.0\.0\.1:\d+ +\d+ /);
  assert.equal(end, "");
});

test("status: --unix servers are found by their path", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using server = await startServer({
    port: null,
    args: ["--unix", path],
  });
  let said = "";
  await until("it is found", async () => {
    const { code, stdout } = await runCommand(["status", path, "--json"]);
    said = stdout;
    return code === 0;
  });
  const { address, pid } = JSON.parse(said) as Status;
  assert.deepEqual([address, pid], [path, server.pid]);
});

test("status: finds the one server that runs, and says which there are when there are more", async () => {
  await using runtime = temporaryDirectory();
  const env = { XDG_RUNTIME_DIR: runtime.path, TMPDIR: runtime.path };
  const none = await runCommand(["status"], { env });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^error: Cannot find a server: [^\n]+\n$/);
  await using one = await startServer({ env });
  await controlled(`${runtime.path}/mpserv/${one.port}.sock`);
  const { code, stdout } = await runCommand(["status", "--json"], { env });
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).pid, one.pid);
  await using two = await startServer({ env });
  await controlled(`${runtime.path}/mpserv/${two.port}.sock`);
  const many = await runCommand(["status"], { env });
  assert.equal(many.code, 2);
  assert.match(many.stderr, /^error: Cannot choose between 2 servers: /);
  for (const { port, pid } of [one, two]) {
    assert.ok(many.stderr.includes(`${port} (127.0.0.1:${port}, pid ${pid})`));
  }
  const missing = await runCommand(["status", "1"], { env });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^error: Cannot find a server on port 1: /);
});
