/** Handlers that misbehave: each ends its own connection alone. */
import assert from "node:assert/strict";
import { handlerFile } from "../helpers/handler_file.ts";
import {
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import type { LogLine } from "../helpers/log_reader.ts";
import {
  connect,
  hold,
  receive,
  receiveAll,
  reset,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/hostile.ts", import.meta.url);

function serve(
  model: Model,
  args: readonly string[] = [],
): Promise<TestServer> {
  return startServer({
    model,
    crew: model === "pool" ? "usual" : "few",
    args: ["--handler", HANDLER, ...args],
  });
}

/** Connects and asks the handler to misbehave. */
async function ask(server: TestServer, word: string): Promise<Deno.TcpConn> {
  const conn = await connect(server.port);
  await send(conn, new TextEncoder().encode(word));
  return conn;
}

/** The line that tells of a connection's end. */
async function endOf(server: TestServer, conn: Deno.TcpConn): Promise<LogLine> {
  const peer = `127.0.0.1:${conn.localAddr.port}`;
  return await server.log.waitFor((line) =>
    line.message === "client disconnected..." && line.peer === peer
  );
}

/** The client's word, and the logged end of its connection. */
const WAYS: readonly (readonly [word: string, level: string, how: RegExp])[] = [
  [
    "throw",
    "WARN",
    /^error: TypeError: thrown on purpose at \/.*hostile\.m?[jt]s:\d+:9$/,
  ],
  [
    "reject",
    "WARN",
    /^error: RangeError: rejected on purpose at \/.*hostile\.m?[jt]s:\d+:\d+$/,
  ],
  [
    "reject later",
    "WARN",
    /^error: Error: nobody waits for this at \/.*hostile\.m?[jt]s:\d+:\d+$/,
  ],
  ["throw a string", "WARN", /^error: just words$/],
  ["throw nothing", "WARN", /^error: undefined$/],
  ["exit", "WARN", /^killed: exit code 3$/],
  ["close twice", "INFO", /^closed$/],
  [
    "use after close",
    "WARN",
    /^error: BadResource: Cannot use the connection: it is closed at /,
  ],
  ["forget", "INFO", /^closed$/],
];

for (const model of models()) {
  test(
    `handler (${model}): under a strict sandbox, what it throws is told, too`,
    async () => {
      await using server = await serve(model, ["--sandbox", "strict"]);
      // Where it was thrown would have to be looked up in files.
      for (
        const [word, how] of [
          ["throw", "error: TypeError: thrown on purpose"],
          ["reject later", "error: Error: nobody waits for this"],
        ] as const
      ) {
        using conn = await ask(server, word);
        assert.equal((await endOf(server, conn)).reason, how);
      }
    },
    { ignore: Deno.build.os !== "linux" },
  );
}

for (const model of models()) {
  test(`hostile handler (${model}): ends its own connection alone, with one line that says why, and what it prints goes to standard error`, async () => {
    await using server = await serve(model, ["--drain-timeout", "100ms"]);
    using other = await hold(server.port);
    // There each connection costs a runtime.
    const ways = WAYS.filter((_, at) => model !== "spawn" || at % 2 === 0);
    for (const [word, level, how] of ways) {
      using conn = await ask(server, word);
      const sent = new TextDecoder().decode(await receiveAll(conn));
      assert.equal(sent, word === "close twice" ? word : "", word);
      const line = await endOf(server, conn);
      assert.match(String(line.reason), how);
      assert.equal(line.level.slice(0, 4), level, word);
      assert.equal(await roundTrip(other), "hello", word);
    }
    using next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
    assert.equal(
      server.log.where("client disconnected...").length,
      ways.length,
    );
    assert.deepEqual(server.log.others, [], "nothing but log lines is said");

    using flood = await ask(server, "flood");
    assert.equal((await receive(flood, 5 << 20)).length, 5 << 20);
    assert.equal(await roundTrip(other), "hello");
    reset(flood); // is stopped by its client's end
    assert.equal((await endOf(server, flood)).reason, "reset");

    using log = await ask(server, "log");
    await receiveAll(log);
    await endOf(server, log);
    // The drain ends handlers that never return.
    const endless = ["never", "spin"];
    const conns = await Promise.all(endless.map(async (word) => {
      const conn = await ask(server, word);
      assert.equal((await receive(conn, word.length)).length, word.length);
      return conn;
    }));
    assert.equal(await roundTrip(other), "hello");
    assert.equal((await server.stop()).code, 0);
    for (const conn of conns) {
      assert.equal((await receiveAll(conn)).length, 0);
      const { reason } = await endOf(server, conn);
      // SIGSEGV: the runtime's thread for signals raises SIGTERM again, then aborts, and the filter lets it do
      // neither (tgkill).
      assert.match(String(reason), /^killed: SIG(TERM|KILL|SEGV)$/);
      conn.close();
    }
    await server.log.ended;
    assert.deepEqual(server.log.others, ["said by the handler"]);
  });
}
