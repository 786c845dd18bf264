/** `fork` by itself: every transition of a connection, with played zygotes and no clock. */
import assert from "node:assert/strict";
import { MOST_SECONDS } from "../../src/model/supervision.ts";
import { SIGNALS } from "../../src/posix/abi.ts";
import { STOP_SIGNAL } from "../../src/posix/forking.ts";
import type { ServiceChoice } from "../../src/wire/choices.ts";
import { failed, started, took } from "../../src/wire/tell.ts";
import { test } from "../helpers/testing.ts";
import { ForkStage } from "./played_fork.ts";
import { KILLED_STATUS, PlayedZygote } from "./played_zygotes.ts";

const HANDLER: ServiceChoice = { module: "file:///handler.ts" };
const PROGRAM: ServiceChoice = {
  program: { path: "/bin/cat", args: ["cat"], env: {}, stderr: "server" },
};

test("fork: waiting, handed, taken, done, reaped", () => {
  using stage = new ForkStage();
  const { fd } = stage.connect();
  assert.deepEqual(stage.states(), ["0 starting 1"]);
  assert.ok(fd.isOpen);
  stage.takes(1, 11);
  assert.deepEqual([stage.states(), fd.isOpen], [["11 serving 1"], false]);
  stage.isDone(1, 11);
  assert.deepEqual(stage.states(), ["11 finished 0"]);
  stage.isReaped(1, 11);
  assert.deepEqual(stage.states(), []);
  assert.deepEqual(stage.news(), [
    "handed 1 100",
    "took 1 11",
    "done 1 closed ",
    "reaped 11 0",
  ]);
});

test("fork: a connection waits while no zygote can take it, in its order", () => {
  using stage = new ForkStage();
  stage.next = null;
  stage.connect();
  stage.connect();
  assert.equal(stage.model.waiting, 2);
  stage.next = stage.zygote;
  stage.tell.available();
  assert.equal(stage.model.waiting, 0);
  assert.deepEqual(stage.news(), ["handed 1 100", "handed 2 100"]);
});

test("fork: what the system refuses to hand over waits, and a person is told once", () => {
  using stage = new ForkStage();
  stage.next = new Error("sendmsg: ETOOMANYREFS");
  stage.connect();
  stage.connect();
  assert.equal(stage.model.waiting, 2);
  assert.deepEqual(stage.news(), [
    "trouble Cannot hand over connection 1: sendmsg: ETOOMANYREFS",
  ]);
});

test("fork: a child that ends before it takes its connection costs the client nothing", () => {
  using stage = new ForkStage();
  const { fd } = stage.connect();
  stage.isReaped(1, 11, KILLED_STATUS);
  assert.ok(fd.isOpen);
  stage.takes(1, 12);
  assert.deepEqual(stage.news(), [
    "handed 1 100",
    "returned 1",
    "handed 1 100",
    "reaped 11 SIGKILL",
    "took 1 12",
  ]);
});

test("fork: a connection that ten children lost is refused by the eleventh", () => {
  using stage = new ForkStage();
  const { fd } = stage.connect();
  for (let lost = 1; lost <= 11; lost++) stage.isReaped(1, lost, KILLED_STATUS);
  assert.ok(!fd.isOpen);
  assert.ok(
    stage.news().includes(
      "refused 1 processes kept exiting before accepting it",
    ),
  );
});

test("fork: a zygote that could not fork has its connection go to another, after a pause", () => {
  using stage = new ForkStage();
  const { fd } = stage.connect();
  stage.news();
  stage.tell.report(stage.zygote, failed(1, "fork: EAGAIN"));
  assert.deepEqual(stage.news(), [
    "trouble Cannot fork: fork: EAGAIN",
    "returned 1",
  ]);
  assert.deepEqual([stage.model.waiting, fd.isOpen], [1, true]);
});

for (
  const [what, service, status, how] of [
    ["killed", { name: "echo" }, KILLED_STATUS, "done 1 killed SIGKILL"],
    ["a program that ended well", PROGRAM, 0, "done 1 closed "],
    ["a program that failed", PROGRAM, 3 << 8, "done 1 program exit code 3"],
  ] as const
) {
  test(`fork: a child that ended without a word ends its connection: ${what}`, () => {
    using stage = new ForkStage(service);
    stage.connect();
    stage.takes(1, 11);
    stage.news();
    stage.isReaped(1, 11, status);
    assert.equal(stage.news()[0], how);
  });
}

test("fork: a child is believed of its own connection, once, and punished for all else", () => {
  using stage = new ForkStage();
  const other = new PlayedZygote(101, null as never, () => {});
  stage.connect();
  stage.connect();
  const first = stage.handed.get(1)!;
  const forged = { ...first, secret: stage.handed.get(2)!.secret };
  stage.news();
  stage.tell.childReport(stage.zygote, 66, took(forged)); // the secret of another
  stage.takes(1, 67, other); // of another zygote
  stage.isDone(1, 68); // nobody took it yet
  stage.takes(1, 11);
  stage.takes(1, 69); // it is taken
  stage.takes(2, 11); // it has one
  stage.isDone(1, 70); // not its own
  stage.isDone(1, 11);
  stage.isDone(1, 11); // again
  assert.deepEqual(stage.news(), [
    "punish 66",
    "punish 67",
    "punish 68",
    "took 1 11",
    "punish 69",
    "punish 11",
    "punish 70",
    "done 1 closed ",
    "punish 11",
  ]);
});

test("fork: a zygote speaks for a program that it started, and of its own connections alone", () => {
  using stage = new ForkStage(PROGRAM);
  const other = new PlayedZygote(101, null as never, () => {});
  stage.connect();
  stage.news();
  stage.tell.report(other, started(1, 11));
  stage.tell.report(other, failed(1, "no"));
  stage.tell.report(stage.zygote, started(1, 11));
  stage.tell.report(stage.zygote, started(1, 12)); // it is taken
  assert.deepEqual(stage.news(), ["trouble Cannot fork: no", "took 1 11"]);
});

test("fork: what a zygote that has gone did not have taken goes to another, in its order", () => {
  using stage = new ForkStage();
  for (let i = 0; i < 3; i++) stage.connect();
  stage.takes(2, 12);
  stage.next = null;
  stage.news();
  stage.tell.gone(stage.zygote);
  assert.equal(stage.model.waiting, 2);
  stage.next = new PlayedZygote(101, null as never, () => {});
  stage.tell.available();
  assert.deepEqual(stage.news(), [
    "returned 3",
    "returned 1",
    "handed 1 101",
    "handed 3 101",
  ]);
});

test("fork: a program that serves and whose zygote did not live to say so has its connection", () => {
  using stage = new ForkStage(PROGRAM);
  const { fd } = stage.connect();
  stage.news();
  stage.startedFor = 11;
  stage.tell.gone(stage.zygote);
  assert.deepEqual([stage.news(), fd.isOpen], [["took 1 11"], false]);
});

test("fork: a handler sees that it is to stop, now and when it takes a connection later; nothing else does", () => {
  for (const [service, hears] of [[HANDLER, true], [PROGRAM, false]] as const) {
    using stage = new ForkStage(service);
    stage.connect();
    stage.takes(1, 11);
    assert.equal(stage.model.end(11, "stop"), hears);
    stage.connect();
    stage.model.askToStop();
    stage.model.askToStop(); // once is enough
    stage.takes(2, 12);
    const stops = stage.news().filter((what) => what.startsWith("signal"));
    const [first, second] = [11, 12].map((pid) =>
      `signal ${pid} ${STOP_SIGNAL}`
    );
    assert.deepEqual(stops, hears ? [first, first, second] : []);
  }
});

test("fork: a program is ended with what it started, anything else by itself", () => {
  for (
    const [service, word] of [
      [PROGRAM, "signal group"],
      [{ name: "echo" }, "signal"],
    ] as const
  ) {
    using stage = new ForkStage(service);
    stage.connect();
    stage.takes(1, 11);
    stage.news();
    assert.equal(stage.model.end(11, "SIGTERM"), true);
    assert.deepEqual(stage.news(), [`${word} 11 ${SIGNALS.SIGTERM}`]);
  }
});

test("fork: retired, it lets its zygotes go when nothing waits and nothing is on its way", () => {
  using stage = new ForkStage();
  stage.next = null;
  stage.connect();
  stage.model.retire();
  assert.deepEqual(stage.news(), []);
  stage.next = stage.zygote;
  stage.tell.available();
  assert.deepEqual(stage.news(), ["handed 1 100"]);
  stage.takes(1, 11);
  assert.deepEqual(stage.news(), ["took 1 11", "drain"]);
});

test("fork: whoever waits is refused when it is withdrawn, and when all is to end", () => {
  using stage = new ForkStage();
  stage.next = null;
  const [first, second] = [stage.connect(), stage.connect()];
  stage.model.withdraw(1, "too late");
  stage.model.kill("SIGKILL");
  assert.deepEqual(stage.news(), [
    "refused 1 too late",
    "refused 2 server is ending",
    "kill zygotes",
  ]);
  assert.deepEqual([first.fd.isOpen, second.fd.isOpen], [false, false]);
});

test("fork: what comes back when all is to end is refused", () => {
  using stage = new ForkStage();
  stage.connect();
  stage.model.kill("SIGTERM");
  stage.news();
  stage.isReaped(1, 11, SIGNALS.SIGTERM);
  assert.deepEqual(stage.news(), [
    "returned 1",
    "refused 1 server is ending",
    "reaped 11 SIGTERM",
  ]);
});

test("fork: a child that is done and does not end is ended, and then the zygote that does not reap it", () => {
  const pid = Deno.pid; // it is there
  using stage = new ForkStage();
  stage.connect();
  stage.takes(1, pid);
  stage.model.look();
  stage.isDone(1, pid);
  stage.news();
  const most = MOST_SECONDS.finished;
  for (let i = 0; i < most; i++) stage.model.look();
  assert.deepEqual(stage.news(), []);
  stage.model.look();
  assert.deepEqual(stage.news(), [
    `trouble Killed process ${pid}: it did not exit within 5 s after its connection`,
    `signal ${pid} ${SIGNALS.SIGKILL}`,
  ]);
  for (let i = 0; i < most; i++) stage.model.look();
  assert.deepEqual(stage.news(), [`end zygote of ${pid}`]);
});

test("fork: what zygotes tell is passed on", async () => {
  using stage = new ForkStage();
  await stage.model.start();
  stage.tell.started(100, "zygote");
  stage.tell.zygoteEnded(100, { code: 137, signal: "SIGKILL" });
  stage.tell.trouble("no room");
  assert.equal(stage.tell.hasSaidAll(1), false);
  stage.connect();
  stage.takes(1, 11);
  stage.isDone(1, 11);
  assert.equal(stage.tell.hasSaidAll(1), true);
  assert.deepEqual(stage.news().slice(0, 3), [
    "started 100 zygote",
    "zygote ended 100 SIGKILL",
    "trouble no room",
  ]);
});
