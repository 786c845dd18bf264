/** Limits as clients meet them: who is served, who waits, who is refused, and what is told. */
import assert from "node:assert/strict";
import {
  anyModel,
  models,
  startServer,
  type TestServer,
} from "../../helpers/server.ts";
import { test, unlessHeldUp, until } from "../../helpers/testing.ts";
import {
  connect,
  exchange,
  hasEnded,
  hold,
  receiveAll,
  roundTrip,
  send,
} from "../../helpers/wire_client.ts";

const BUSY = ["--overload", "refuse", "--busy-message", "busy\\r\\n"];
/** For servers that end while clients stay. */
const HASTE = ["--drain-timeout", "200ms"];
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const word = new TextEncoder().encode("hello");

/** How many the log says were refused for a reason. */
function refused({ log }: TestServer, reason: string): number {
  return log.where("clients refused")
    .filter((line) => line.reason === reason)
    .reduce((sum, { count }) => sum + Number(count), 0);
}

/** The most connections that had a process at a time, as the log tells. */
function mostAtOnce({ log }: TestServer): number {
  let now = 0, most = 0;
  for (const { message } of log.lines) {
    if (message.startsWith("new client connected")) now++;
    if (message.startsWith("client disconnected")) now--;
    most = Math.max(most, now);
  }
  return most;
}

/** The peers that got a process, in the order in which they came off the backlog. */
function order({ log }: TestServer): string[] {
  return log.where("new client connected...")
    .sort((a, b) => Number(a.id) - Number(b.id))
    .map(({ peer }) => String(peer));
}

/** So many clients, one after the other, each with a word on its way and its side ended. */
async function queue(
  server: TestServer,
  count: number,
): Promise<Deno.TcpConn[]> {
  const clients: Deno.TcpConn[] = [];
  for (let i = 0; i < count; i++) {
    const conn = await connect(server.port);
    await send(conn, word);
    await conn.closeWrite();
    clients.push(conn);
  }
  return clients;
}

async function allServed(clients: readonly Deno.TcpConn[]): Promise<void> {
  for (const conn of clients) {
    assert.equal(text(await receiveAll(conn)), "hello");
    conn.close();
  }
}

for (const model of anyModel()) {
  test(
    `--max-connections (${model}): refuses with the message, also who has sent, and recovers`,
    unlessHeldUp(1_000, async () => {
      await using server = await startServer({
        model,
        args: ["--max-connections", "2", ...BUSY, ...HASTE],
      });
      using first = await hold(server.port);
      using second = await hold(server.port);
      for (let i = 0; i < 5; i++) {
        using conn = await connect(server.port);
        await send(conn, new Uint8Array(30_000)).catch(() => {});
        assert.equal(text(await receiveAll(conn)), "busy\r\n");
      }
      assert.equal(await roundTrip(second), "hello");
      await exchange(first, word);
      await until("there is room again", async () => {
        using conn = await connect(server.port);
        return text(await exchange(conn, word)) === "hello";
      });
      assert.equal((await server.stop()).code, 0);
      const { accepted, served, refused: all } = await server.log.waitFor(
        "server ended",
      );
      assert.equal(served, order(server).length);
      assert.equal(all, refused(server, "max-connections"));
      assert.equal(accepted, Number(served) + Number(all));
      assert.ok(Number(all) >= 5);
    }),
  );
}

for (const model of models()) {
  test(`--max-connections (${model}): a slot is free when its process is reaped, however it ended`, async () => {
    await using server = await startServer({
      model,
      args: ["--max-connections", "1"],
    });
    for (let i = 0; i < 3; i++) {
      using _conn = await hold(server.port);
      for (const { pid } of await server.servers()) Deno.kill(pid, "SIGKILL");
    }
    using last = await hold(server.port);
    assert.equal(await roundTrip(last), "hello");
    await server.log.waitForCount("new client connected...", 4);
    assert.equal(mostAtOnce(server), 1);
    if (model === "pool") return; // there the next process serves at once
    const steps = server.log.lines.flatMap(({ message }) =>
      /^(new client|removed proc)/.exec(message)?.[0] ?? []
    );
    const each = ["new client", "removed proc"];
    assert.deepEqual(steps, [...each, ...each, ...each, "new client"]);
  });
}

for (const model of models().filter((name) => name !== "spawn")) {
  test(`--overload wait (${model}): all who wait are served, in order, and never too many at once`, async () => {
    await using server = await startServer({
      model,
      args: ["--max-connections", "3"],
    });
    const clients = await queue(server, 30);
    const peers = clients.map(({ localAddr }) => `127.0.0.1:${localAddr.port}`);
    await allServed(clients);
    await server.log.waitForCount("client disconnected...", 30);
    assert.deepEqual(order(server), peers);
    assert.ok(mostAtOnce(server) <= 3);
    assert.equal(server.log.where("clients refused").length, 0);
  });
}

for (const model of anyModel("fork")) {
  test(`--overload wait (${model}): a drain serves all who wait, and never too many at once`, async () => {
    await using server = await startServer({
      model,
      args: ["--max-connections", "2"],
    });
    const clients = await queue(server, 20);
    server.signal("SIGTERM");
    await allServed(clients);
    assert.equal((await server.exit()).code, 0);
    const { accepted, served } = await server.log.waitFor("server ended");
    assert.equal(order(server).length, 20);
    assert.ok(mostAtOnce(server) <= 2);
    assert.deepEqual([accepted, served], [20, 20]);
  });
}

for (const model of anyModel()) {
  test(`--overload wait (${model}): who waits when time is up is sent away, and the server ends`, async () => {
    await using server = await startServer({
      model,
      args: ["--max-connections", "1", ...HASTE],
    });
    using holder = await hold(server.port);
    const clients = await queue(server, 3);
    assert.equal((await server.stop()).code, 0);
    for (const conn of clients) {
      assert.ok(await hasEnded(conn));
      conn.close();
    }
    assert.ok(await hasEnded(holder));
    const ended = await server.log.waitFor("server ended");
    assert.deepEqual([ended.accepted, ended.served, ended.refused], [4, 1, 3]);
  });

  test(`--max-per-source (${model}): refuses one source while another is served, and counts add up`, async () => {
    await using server = await startServer({
      model,
      crew: "usual", // three are served at a time
      args: ["--host", "::", "--max-per-source", "2", ...HASTE],
    });
    using other = await hold(server.port, "::1");
    using one = await hold(server.port, "127.0.0.1");
    using two = await hold(server.port, "127.0.0.1");
    for (let i = 0; i < 20; i++) {
      const crowd = await Promise.all(
        Array.from({ length: 10 }, () => connect(server.port, "127.0.0.1")),
      );
      assert.equal(await roundTrip(other), "hello");
      for (const conn of crowd) {
        assert.ok(await hasEnded(conn));
        conn.close();
      }
    }
    using second = await hold(server.port, "::1");
    for (const conn of [one, two, second]) {
      assert.equal(await roundTrip(conn), "hello");
    }
    await server.stop();
    const ended = await server.log.waitFor("server ended");
    assert.deepEqual([ended.accepted, ended.served, ended.refused], [
      204,
      4,
      200,
    ]);
    assert.equal(refused(server, "max-per-source"), 200);
    const lines = server.log.where("clients refused").length;
    assert.ok(lines < 100, `${lines} lines for 200 refusals`);
  });
}

test("--rate: waits for tokens, and refuses nobody", async () => {
  await using server = await startServer({
    model: "fork",
    args: ["--rate", "20/1s:1"],
  });
  const start = performance.now();
  await allServed(await queue(server, 10));
  assert.ok(performance.now() - start >= 440, "nine tokens are 50 ms apart");
  assert.equal(server.log.where("clients refused").length, 0);
});

test("--rate-per-source: refuses the hasty source alone, for a while", async () => {
  await using server = await startServer({
    model: "fork",
    args: [
      ...["--host", "::"],
      ...["--rate-per-source", "1/1s:3", ...HASTE],
    ],
  });
  let refusals = 0;
  const isServed = async () => {
    using conn = await connect(server.port, "127.0.0.1");
    const served = await roundTrip(conn).catch(() => "") === "hello";
    if (!served) refusals++;
    return served;
  };
  for (let i = 0; i < 3; i++) assert.ok(await isServed());
  while (await isServed()); // the next, unless the first is a second ago
  (await hold(server.port, "::1")).close();
  await until("it may come again", isServed);
  await server.stop();
  await server.log.ended;
  assert.equal(refused(server, "rate-per-source"), refusals);
});

test("--deny, --allow: the more specific counts, and who is denied hears no word", async () => {
  await using server = await startServer({
    args: [
      ...["--host", "::", ...BUSY, ...HASTE],
      ...["--deny", "127.0.0.0/8,2001:db8::/32", "--allow", "127.0.0.1"],
    ],
  });
  (await hold(server.port, "127.0.0.1")).close();
  using conn = await connect(server.port, "::1"); // not in the list of who may
  assert.ok(await hasEnded(conn));
  await server.stop();
  await server.log.ended;
  assert.equal(refused(server, "denied"), 1);
});

test("--exempt: no limit concerns it", async () => {
  await using server = await startServer({
    crew: "usual", // three are served at a time
    args: [
      ...["--host", "::", ...BUSY, ...HASTE],
      ...["--max-connections", "1", "--exempt", "::1"],
    ],
  });
  using _one = await hold(server.port, "127.0.0.1");
  using _two = await hold(server.port, "::1");
  using _three = await hold(server.port, "::1");
  using refused = await connect(server.port, "127.0.0.1");
  assert.equal(text(await receiveAll(refused)), "busy\r\n");
});
