import assert from "node:assert/strict";
import type { Comparison } from "../../src/bench/compare.ts";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { send, TestServer } from "../client/test_server.ts";

type Moment = Comparison["split"]["course"][number];

test("bench --compare: lock-step pays a round trip a line, split one in all", async () => {
  await using server = await startServer();
  const args = ["bench", "127.0.0.1", `${server.port}`, "--compare"];
  const link = ["--delay", "30ms", "--lines", "30"];
  const { code, stdout, stderr } = await runCommand([
    ...args,
    ...link,
    "--json",
  ]);
  assert.deepEqual([code, stderr], [0, ""]);
  const { split, lockStep, ratio }: Comparison = JSON.parse(stdout);
  assert.ok(lockStep.time >= 30 * 60, `${lockStep.time} ms`);
  assert.ok(split.time >= 60, `${split.time} ms`);
  // Whatever else held it up, some lines came back sooner after others than a round trip each.
  const isSooner = ({ at, lines }: Moment, before: Moment) =>
    at - before.at < 60 * (lines - before.lines);
  assert.ok(
    split.course.some((now, i) => i > 0 && isSooner(now, split.course[i - 1]!)),
    JSON.stringify(split.course),
  );
  assert.equal(ratio, lockStep.time / split.time);
  for (const { course, time } of [split, lockStep]) {
    assert.deepEqual([course[0], course.at(-1)!.lines], [
      { at: 0, lines: 0 },
      30,
    ]);
    assert.ok(course.at(-1)!.at <= time);
  }
});

test("bench --compare: shows a bar a client", async () => {
  await using server = await startServer();
  const args = ["bench", "127.0.0.1", `${server.port}`, "--compare"];
  const link = ["--delay", "5ms", "--lines", "10", "--bandwidth", "1MB"];
  const { code, stdout } = await runCommand([...args, ...link]);
  assert.match(
    stdout,
    /10 lines, link of 5ms one way \(10ms a round trip\), 1,000,000 bytes a second/,
  );
  assert.match(stdout, /split +[\d.]+ ms +[\d,.]+ lines\/s\n +[█▏▎▍▌▋▊▉]/);
  assert.match(stdout, /lock-step +[\d.]+ ms +[\d,.]+ lines\/s\n +█{50}\n/);
  assert.equal(code, 0);
});

test("bench --compare: a server that brings back other bytes is an error", async () => {
  await using server = new TestServer(async (conn) => {
    const buffer = new Uint8Array(4096);
    while (await conn.read(buffer) !== null) await send(conn, "other\n");
  });
  const args = ["bench", ...server.args, "--compare", "--delay", "1ms"];
  const { code, stdout, stderr } = await runCommand(args);
  assert.match(
    stderr,
    /^error: The split client failed: other bytes came back\n$/,
  );
  assert.deepEqual([code, stdout], [1, ""]);
});
