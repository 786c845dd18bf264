import assert from "node:assert/strict";
import { test, until } from "../helpers/testing.ts";
import { connect, hasEnded } from "../helpers/wire_client.ts";
import { playServer } from "./played_model.ts";

/** Waits long enough for what must not happen to happen. */
const moment = () => new Promise((resolve) => setTimeout(resolve, 100));

test("server: a slot is free when the process is reaped, not when its connection has ended", async () => {
  await using stage = await playServer({ gate: { maxConnections: 1 } });
  const { model, port } = stage;
  using _one = await connect(port);
  using _two = await connect(port);
  await until("the first comes in", () => model.handoffs.length === 1);
  const id = model.take(100);
  model.finish(id);
  await moment();
  assert.equal(model.handoffs.length, 0);
  model.reap(100);
  await until("the second comes in", () => model.handoffs.length === 1);
  const second = model.take(101);
  model.finish(second);
  model.reap(101);
});

test("server: where processes take turns, a slot is free with its connection", async () => {
  const options = { gate: { maxConnections: 1 }, reusesProcesses: true };
  await using stage = await playServer(options);
  const { model, port } = stage;
  for (let i = 0; i < 3; i++) {
    using _conn = await connect(port);
    await until("it comes in", () => model.handoffs.length === 1);
    model.finish(model.take(100));
  }
});

test("server: totals and connections follow each step", async () => {
  await using stage = await playServer({
    gate: { maxConnections: 2, overload: "refuse" },
  });
  const { server, model, port } = stage;
  using _one = await connect(port);
  using _two = await connect(port);
  await until("both are in", () => model.handoffs.length === 2);
  using three = await connect(port);
  assert.ok(await hasEnded(three));
  const first = model.take(100);
  assert.deepEqual([...server.connections()].map(({ pid }) => pid), [100, 0]);
  const { accepted, served, active, refused } = server.totals();
  assert.deepEqual([accepted, served, active], [3, 1, 2]);
  assert.equal(refused["max-connections"], 1);
  model.finish(first);
  model.reap(100);
  model.finish(model.take(101));
  model.reap(101);
  assert.deepEqual([...server.connections()], []);
  const end = server.totals();
  assert.deepEqual([end.active, end.ended.closed], [0, 2]);
});

test("server: ends a connection by its process, and one that has none at once", async () => {
  await using stage = await playServer();
  const { server, model, port } = stage;
  using _one = await connect(port);
  using two = await connect(port);
  await until("both are in", () => model.handoffs.length === 2);
  const id = model.take(100);
  const [, waiting] = [...server.connections()];
  assert.ok(server.end(waiting!.id, "dropped"));
  assert.ok(await hasEnded(two));
  assert.ok(server.end(id, "dropped"));
  assert.ok(server.end(id, "idle")); // the first reason counts
  assert.deepEqual(model.signals, [[100, "stop"]]);
  model.finish(id);
  model.reap(100);
  assert.equal(server.end(id, "dropped"), false);
  const { ended, refused } = server.totals();
  assert.deepEqual([ended.dropped, refused["no-process"]], [1, 1]);
});

test("server: a connection that is dropped on its way to a process is ended when it gets there", async () => {
  await using stage = await playServer();
  const { server, model, port } = stage;
  using _conn = await connect(port);
  await until("it is in", () => model.handoffs.length === 1);
  const handoff = model.handoffs[0]!;
  model.handoffs.length = 0; // some process has it in hand
  server.end(handoff.id, "dropped");
  model.handoffs.push(handoff);
  const id = model.take(100);
  assert.deepEqual(model.signals, [[100, "stop"]]);
  model.finish(id);
  model.reap(100);
  assert.equal(server.totals().ended.dropped, 1);
});
