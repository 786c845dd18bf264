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
    crew: "usual",
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

/** What a client asks for, and how its connection is logged to end. */
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
  test(`hostile handler (${model}): ends its own connection alone, with one line that says why`, async () => {
    await using server = await serve(model);
    using other = await hold(server.port);
    for (const [word, level, how] of WAYS) {
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
      WAYS.length,
    );
    assert.deepEqual(server.log.others, [], "nothing but log lines is said");
  });

  test(`hostile handler (${model}): one that floods is stopped by its client's end`, async () => {
    await using server = await serve(model);
    using other = await hold(server.port);
    using conn = await ask(server, "flood");
    assert.equal((await receive(conn, 5 << 20)).length, 5 << 20);
    assert.equal(await roundTrip(other), "hello");
    reset(conn);
    assert.equal((await endOf(server, conn)).reason, "reset");
  });

  for (const word of ["never", "spin"]) {
    test(`hostile handler (${model}): one that never returns (${word}) is ended by the drain`, async () => {
      await using server = await serve(model, ["--drain-timeout", "100ms"]);
      using other = await hold(server.port);
      using conn = await ask(server, word);
      assert.equal((await receive(conn, word.length)).length, word.length);
      assert.equal(await roundTrip(other), "hello");
      assert.equal((await server.stop()).code, 0);
      assert.equal((await receiveAll(conn)).length, 0);
      assert.match(
        String((await endOf(server, conn)).reason),
        /^killed: SIG(TERM|KILL)$/,
      );
    });
  }

  test(`hostile handler (${model}): what it prints goes to the server's standard error`, async () => {
    await using server = await serve(model);
    using conn = await ask(server, "log");
    await receiveAll(conn);
    await endOf(server, conn);
    await server.stop();
    await server.log.ended;
    assert.deepEqual(server.log.others, ["said by the handler"]);
  });
}
