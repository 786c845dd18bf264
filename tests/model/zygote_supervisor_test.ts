/** The zygotes' supervisor by itself: every transition, with played processes and no clock. */
import assert from "node:assert/strict";
import { SIGNALS } from "../../src/posix/abi.ts";
import { type Outcome, STEPS } from "../../src/wire/records.ts";
import { done, exited, failed, step } from "../../src/wire/tell.ts";
import { test } from "../helpers/testing.ts";
import { handoverOf, KILLED_STATUS, ZygoteStage } from "./played_zygotes.ts";

const CLOSED: Outcome = {
  bytesIn: 1,
  bytesOut: 2,
  reason: "closed",
  text: "",
};

test("zygotes: one starts, and when it has proven that it can fork and has time, the others do", async () => {
  using stage = new ZygoteStage(3);
  const started = stage.supervisor.start();
  assert.deepEqual(stage.news(), ["start 100"]);
  stage.zygotes[0]!.says(step("loading the module"));
  assert.deepEqual(stage.news(), []);
  stage.zygotes[0]!.becomesReady();
  await started;
  assert.deepEqual(stage.news(), ["started 100", "available"]);
  stage.zygotes[0]!.says(step(STEPS.idle));
  assert.deepEqual(stage.news(), ["start 101", "start 102"]);
  assert.deepEqual(
    [...stage.supervisor.processes()].map(({ pid, state }) => [pid, state]),
    [[100, "ready"], [101, "starting"], [102, "starting"]],
  );
});

test("zygotes: where the first says that it cannot fork, none has started, and it is ended", async () => {
  using stage = new ZygoteStage(2);
  const started = stage.supervisor.start();
  stage.zygotes[0]!.says(failed(0, "no seccomp"));
  await Promise.resolve();
  queueMicrotask(() => {
    stage.zygotes[0]!.leaves();
    stage.zygotes[0]!.exits(1);
  });
  await assert.rejects(started, { name: "StartError", message: "no seccomp" });
  assert.deepEqual(stage.news(), [
    "start 100",
    "hang up 100",
    "kill 100 SIGKILL",
    "gone 100",
    "ended 100 1",
    "close orphans",
  ]);
});

test("zygotes: where the first ends before it is ready, none has started", async () => {
  using stage = new ZygoteStage();
  const started = stage.supervisor.start();
  stage.zygotes[0]!.leaves();
  stage.zygotes[0]!.exits(137, "SIGKILL");
  await assert.rejects(started, /Cannot fork: the zygote ended \(SIGKILL\)/);
});

test("zygotes: a later one that is not ready when it ends is replaced after a pause, and a person is told why", async () => {
  using stage = new ZygoteStage(2);
  await stage.start();
  const second = stage.zygotes[1]!;
  second.says(failed(0, "too busy"));
  second.leaves();
  second.exits(1);
  assert.deepEqual(stage.news(), [
    "trouble too busy",
    "gone 101",
    "ended 101 1",
    "trouble Zygote 101 ended (code 1): replacing it",
  ]);
});

test("zygotes: where none can be started, a person is told once, and it is tried again after a pause", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.canStart = false;
  zygote.leaves();
  zygote.exits(1);
  assert.deepEqual(stage.news(), [
    "gone 100",
    "ended 100 1",
    "trouble Zygote 100 ended (code 1): replacing it",
    "trouble Cannot start a zygote: no room",
  ]);
});

test("zygotes: a connection goes to the one that has least to do, and they take turns", async () => {
  using stage = new ZygoteStage(2);
  const first = await stage.start();
  const second = stage.zygotes[1]!.becomesReady();
  stage.news();
  for (const id of [1, 2, 3]) stage.supervisor.send(handoverOf(id), 0);
  assert.deepEqual(stage.news(), [
    "send 1 to 100",
    "send 2 to 101",
    "send 3 to 100",
  ]);
  assert.deepEqual([first.untaken, first.batches, first.handed], [2, 1, 2]);
  stage.supervisor.born(1, 11, first);
  stage.supervisor.born(3, 13, first);
  assert.equal(stage.supervisor.send(handoverOf(4), 0), first);
  assert.deepEqual([first.batches, second.untaken], [2, 1]);
});

test("zygotes: none gets a connection that is not ready, has gone, is full, or has too many waiting", async () => {
  using stage = new ZygoteStage(2);
  const first = await stage.start();
  first.untaken = 64;
  assert.equal(stage.supervisor.send(handoverOf(1), 0), null); // the other is not ready
  first.untaken = 0;
  first.hasRoom = false;
  assert.equal(stage.supervisor.send(handoverOf(1), 0), null);
  assert.equal(first.untaken, 0);
  first.hasRoom = true;
  first.isOpen = false;
  assert.equal(stage.supervisor.send(handoverOf(1), 0), null);
});

test("zygotes: a child speaks of its connection alone; whatever else it says ends it", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  zygote.childTakes(1, 11);
  zygote.childSays(11, done(handoverOf(1), CLOSED));
  assert.deepEqual(stage.news(), ["child 11 took 1", "child 11 done 1"]);
  zygote.childSays(11, exited(1, 11, 0));
  zygote.childSays(12, failed(0, "no"));
  assert.deepEqual(stage.news(), [
    "signal 11 9",
    "trouble Killed process 11: it sent an unexpected report",
    "signal 12 9",
  ]);
});

test("zygotes: noise ends who sent it, and on its own channel the zygote", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.strangers.add(7);
  zygote.garbage(7);
  zygote.garbage(zygote.pid);
  zygote.says(done(handoverOf(1), CLOSED)); // no zygote says that of itself
  const killed = "kill 100 SIGKILL", signalled = "signal 100 9";
  assert.deepEqual(stage.news(), [
    "trouble Ignored a report of process 7: it is not a running process of this server",
    ...[signalled, killed],
    ...[signalled, killed],
  ]);
});

test("zygotes: a child that was reaped is told, once what it said is heard", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.serve(zygote, 1, 11);
  stage.serve(zygote, 2, 12);
  assert.ok(stage.supervisor.has(11));
  stage.news();
  zygote.unread.push(() => zygote.childSays(11, done(handoverOf(1), CLOSED)));
  zygote.reaped(1, 11);
  stage.saidAll.add(2);
  zygote.unread.push(() => assert.fail("nothing more is to be heard"));
  zygote.reaped(2, 12);
  zygote.unread.splice(0);
  assert.deepEqual(stage.news(), [
    "child 11 done 1",
    "report exited 1",
    "report exited 2",
  ]);
  assert.deepEqual([stage.supervisor.has(11), zygote.untaken], [false, 0]);
});

test("zygotes: what no child took waits no more at its zygote, whether it could not fork or the child ended", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  for (const id of [1, 2]) stage.supervisor.send(handoverOf(id), 0);
  stage.news();
  zygote.says(failed(1, "EAGAIN"));
  assert.equal(zygote.untaken, 1);
  zygote.reaped(2, 12, KILLED_STATUS);
  assert.equal(zygote.untaken, 0);
  assert.deepEqual(stage.news(), ["report failed 1", "report exited 2"]);
});

test("zygotes: one whose children cannot report gets nothing more, and another takes over", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  zygote.falls();
  assert.deepEqual(stage.news(), [
    "trouble Children of zygote 100 cannot report any more: replacing the zygote",
    "start 101",
  ]);
  assert.equal(stage.supervisor.send(handoverOf(1), 0), null);
});

test("zygotes: of one that ends, the children are adopted, and another takes over at once", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.serve(zygote, 1, 11);
  assert.equal(stage.supervisor.parentOf(11), zygote.pid);
  stage.news();
  zygote.leaves();
  zygote.exits(137, "SIGKILL");
  assert.deepEqual(stage.news(), [
    "gone 100",
    "adopt 11",
    "ended 100 SIGKILL",
    "trouble Zygote 100 ended (SIGKILL): replacing it",
    "start 101",
  ]);
  assert.equal(stage.supervisor.parentOf(11), Deno.pid);
  stage.reap(11);
  assert.deepEqual(stage.news(), ["report exited 1"]);
  assert.equal(stage.supervisor.has(11), false);
});

test("zygotes: a child may take its connection after its zygote was reaped", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.supervisor.send(handoverOf(1), 0);
  zygote.exits(137, "SIGKILL"); // its channel is open in the child
  stage.news();
  zygote.childTakes(1, 11);
  stage.supervisor.born(1, 11, zygote);
  zygote.leaves();
  await Promise.resolve();
  assert.deepEqual(stage.news(), ["child 11 took 1", "gone 100", "adopt 11"]);
});

test("zygotes: a child whose status its zygote took with it ends all the same", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.serve(zygote, 1, 11);
  stage.lost.add(11);
  stage.news();
  zygote.leaves();
  zygote.exits(137, "SIGKILL");
  assert.ok(stage.news().includes("report exited 1"));
  assert.equal(stage.supervisor.has(11), false);
});

test("zygotes: signals reach a child, its group, and the zygote that should have reaped it", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.serve(zygote, 1, 11);
  stage.news();
  stage.supervisor.signal(11, SIGNALS.SIGTERM);
  stage.supervisor.signal(11, SIGNALS.SIGTERM, true);
  stage.supervisor.signal(12, SIGNALS.SIGTERM);
  stage.supervisor.endZygoteOf(11);
  stage.supervisor.endZygoteOf(12);
  assert.equal(stage.supervisor.end(11), true);
  assert.deepEqual(stage.news(), [
    `signal 11 ${SIGNALS.SIGTERM}`,
    `signal 11 ${-SIGNALS.SIGTERM}`,
    "kill 100 SIGKILL",
    "signal 11 9",
  ]);
});

test("zygotes: drained, they hang up, none starts, and all has ended when the last child was reaped", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.serve(zygote, 1, 11);
  stage.news();
  stage.supervisor.drain();
  let hasEnded = false;
  const ended = stage.supervisor.ended().then(() => hasEnded = true);
  zygote.reaped(1, 11);
  await Promise.resolve();
  assert.equal(hasEnded, false);
  zygote.leaves();
  zygote.exits(0);
  await ended;
  assert.deepEqual(stage.news(), [
    "hang up 100",
    "report exited 1",
    "gone 100",
    "ended 100 0",
    "close orphans",
  ]);
});

test("zygotes: while one that was reaped may still have a child that takes, nothing has ended", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.supervisor.drain();
  let hasEnded = false;
  const ended = stage.supervisor.ended().then(() => hasEnded = true);
  zygote.exits(0);
  await Promise.resolve();
  assert.equal(hasEnded, false);
  zygote.leaves();
  await ended;
});

test("zygotes: once they are to be killed, no other one takes over", async () => {
  using stage = new ZygoteStage();
  const zygote = await stage.start();
  stage.supervisor.kill();
  zygote.leaves();
  zygote.exits(137, "SIGKILL");
  assert.deepEqual(stage.news(), ["gone 100", "ended 100 SIGKILL"]);
});
