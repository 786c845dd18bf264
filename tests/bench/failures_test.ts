import assert from "node:assert/strict";
import { echo, Gate, send, TestServer } from "../client/test_server.ts";
import { runCommand } from "../helpers/command.ts";
import { test } from "../helpers/testing.ts";
import { deafPort } from "../helpers/wire_client.ts";
import { bench, benchWell } from "./helpers.ts";

/** Faults of a server, and the kinds by which they are counted. */
const FAULTS: readonly (readonly [
  what: string,
  handler: (conn: Deno.Conn) => Promise<unknown>,
  mode: string,
  kind: string,
])[] = [
  [
    "ends without an answer",
    async (conn) => await conn.read(new Uint8Array(64)),
    "--ping",
    "ended early",
  ],
  ["answers other bytes", wrongEcho, "--ping", "wrong bytes"],
  ["answers other bytes in a stream", wrongEcho, "--stream", "wrong bytes"],
  [
    "says more than it was asked",
    async (conn) => {
      await echo(conn);
      await send(conn, "more");
    },
    "--connect",
    "extra bytes",
  ],
];

for (const [what, handler, mode, kind] of FAULTS) {
  test(`bench: a server that ${what} is counted as "${kind}", exit code 1`, async () => {
    await using server = new TestServer(handler);
    const { outcome, code, stderr } = await bench(
      ...server.args,
      mode,
      "--connections",
      "1",
    );
    assert.ok(outcome.failures[kind]! > 0, JSON.stringify(outcome.failures));
    assert.match(stderr, new RegExp(`^error: \\d+ .*failed: .*${kind}.*\n$`));
    assert.equal(code, 1);
  });
}

async function wrongEcho(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    buffer[count - 1]! ^= 1;
    await send(conn, buffer.subarray(0, count));
  }
}

test('bench: a server that never answers is counted as "timed out"', async () => {
  await using server = new TestServer(async (conn) => {
    await conn.read(new Uint8Array(1));
    await gate.opened;
  });
  using gate = new Gate();
  const args = ["--ping", "--timeout", "200ms"];
  const { outcome, code } = await bench(...server.args, ...args);
  assert.ok(outcome.failures["timed out"]! > 0);
  assert.deepEqual([outcome.requests, code], [0, 1]);
});

test("bench --rate: a server that stops for a while is slow to all who came meanwhile", async () => {
  const STALL = 700, RATE = 100, DURATION = 1000;
  let isFirst = true;
  await using server = new TestServer(async (conn) => {
    const buffer = new Uint8Array(64);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      if (isFirst) await new Promise((resolve) => setTimeout(resolve, STALL));
      isFirst = false;
      await send(conn, buffer.subarray(0, count));
    }
  });
  const options = ["--warmup", "0", "--connections", "1"];
  const time = ["--rate", `${RATE}`, "--duration", `${DURATION}ms`];
  const args = [...server.args, "--ping", ...options, ...time];
  const { latency, distribution } = await benchWell(...args);
  assert.equal(latency!.count, RATE * DURATION / 1000);
  // Of those due in the first 350 ms each one waits for 350 ms at least: 35 of 100.
  const slow = distribution.find((quantile) => quantile.latency >= STALL / 2);
  assert.ok(slow!.percent <= 66, `from ${slow!.percent} % on`);
});

test("bench: nobody who listens is one line, exit code 1", async () => {
  using deaf = deafPort();
  const args = ["bench", "127.0.0.1", `${deaf.port}`, "--ping"];
  const result = await runCommand(args);
  assert.match(
    result.stderr,
    /^error: Cannot connect to "127\.0\.0\.1:\d+": .*is the server running\?\n$/,
  );
  assert.deepEqual([result.code, result.stdout], [1, ""]);
});
