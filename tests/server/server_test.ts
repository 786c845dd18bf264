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

test("server: a drain takes what is in the backlog, asks processes to stop, and waits for the last of them", async () => {
  await using stage = await playServer({
    gate: { maxConnections: 1 },
    drainTimeout: 60_000,
  });
  const { server, model, port } = stage;
  const over = Promise.withResolvers<void>();
  model.over = over.promise;
  using _one = await connect(port);
  await until("the first is in", () => model.handoffs.length === 1);
  using _two = await connect(port); // in the backlog, for want of room
  const told: number[] = [];
  const leave = server.tell({ draining: (live) => told.push(live) });
  assert.equal(server.isDraining, false);
  stage.stop();
  stage.stop(); // once is enough
  await until("it drains", () => told.length === 1);
  leave();
  assert.deepEqual([server.isDraining, told, model.asked], [true, [2], [
    "stop",
  ]]);
  await assert.rejects(connect(port), "it listens no more");
  const first = model.take(100);
  model.finish(first);
  assert.deepEqual(model.asked, ["stop"], "one is in the line");
  model.reap(100);
  await until("the second is in", () => model.handoffs.length === 1);
  await until("no other will come", () => model.asked.includes("retire"));
  let hasEnded = false;
  void stage.running.then(() => hasEnded = true);
  model.finish(model.take(101));
  model.reap(101);
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(hasEnded, false, "its processes have not ended");
  over.resolve();
  await stage.running;
  assert.deepEqual(model.asked, ["stop", "retire"]);
});

test("server: a drain whose time is over ends what is left, and kills what does not end", async () => {
  await using stage = await playServer({
    gate: { maxConnections: 1 },
    drainTimeout: 1,
  });
  const { server, model, port } = stage;
  const over = Promise.withResolvers<void>();
  model.over = over.promise;
  using _one = await connect(port);
  await until("the first is in", () => model.handoffs.length === 1);
  using two = await connect(port);
  model.take(100);
  const ending: number[] = [];
  server.tell({ ending: (live) => ending.push(live) });
  stage.stop();
  assert.ok(await hasEnded(two), "there will be no room for it");
  await until("it is killed", () => model.asked.includes("SIGKILL"));
  assert.deepEqual(ending, [2]);
  assert.deepEqual(model.asked, ["stop", "SIGTERM", "retire", "SIGKILL"]);
  model.finish(1);
  model.reap(100);
  over.resolve();
});

test("server: a drain that is to hurry kills at once", async () => {
  await using stage = await playServer({ drainTimeout: 60_000 });
  const { server, model, port } = stage;
  let drains = 0;
  server.tell({ draining: () => drains++ });
  const over = Promise.withResolvers<void>();
  model.over = over.promise;
  using _one = await connect(port);
  await until("it is in", () => model.handoffs.length === 1);
  model.take(100);
  stage.stop();
  await until("it drains", () => model.asked.includes("retire"));
  assert.equal(model.asked.includes("SIGKILL"), false);
  stage.hurry();
  await until("it is killed", () => model.asked.includes("SIGKILL"));
  assert.equal(drains, 1);
  model.finish(1);
  model.reap(100);
  over.resolve();
});
