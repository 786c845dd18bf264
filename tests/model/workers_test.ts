/** Workers by themselves: every transition, with played processes and no clock. */
import assert from "node:assert/strict";
import { type Exit, StartError } from "../../src/model/model.ts";
import { receiveFd, sendFd } from "../../src/posix/net/handover.ts";
import {
  encodeReport,
  type Handover,
  type Report,
} from "../../src/wire/records.ts";
import {
  done,
  exited,
  failed,
  ready,
  step,
  took,
} from "../../src/wire/tell.ts";
import { test } from "../helpers/testing.ts";
import { KILLED, type Played, Stage } from "./played_workers.ts";

const CLOSED = { bytesIn: 1, bytesOut: 2, reason: "closed", text: "" } as const;
const WELL: Exit = { code: 0, signal: null };

test("workers: starting, ready, handed, serving, finished; another one is started in time", async () => {
  using stage = new Stage();
  await stage.model.start();
  assert.deepEqual(stage.states(), ["starting"]);
  const process = stage.isReady();
  assert.deepEqual(stage.states(), ["ready"]);
  const { fd } = stage.connect();
  assert.deepEqual(stage.states(), ["handed", "starting"]);
  const handover = stage.handed(process), { kind, id } = handover;
  assert.deepEqual([kind, id, fd.isOpen], ["connection", 1, true]);
  stage.say(process, took(handover));
  assert.deepEqual([stage.states()[0], fd.isOpen], ["serving", false]);
  stage.say(process, done(handover, CLOSED));
  assert.equal(stage.states()[0], "finished");
  stage.exits(process, WELL);
  assert.deepEqual(stage.states(), ["starting"]);
  assert.deepEqual(stage.news(), [
    "took 1 100",
    "done 1 closed ",
    "reaped 100 0",
  ]);
});

test("workers: spares beside the first start when it has, and one for each connection that waits for a process", async () => {
  using stage = new Stage({ spares: 3 });
  await stage.model.start();
  assert.deepEqual(stage.states(), ["starting"]);
  for (const starting of [["starting"], ["starting", "starting"]]) {
    stage.connect();
    assert.deepEqual(stage.states(), starting);
  }
  stage.isReady(stage.processes[0]);
  // One is waited for, and three are spares.
  assert.deepEqual(stage.states(), ["handed", ...Array(4).fill("starting")]);
});

for (const hearFirst of [true, false]) {
  const order = hearFirst ? "its channel first" : "its exit first";
  test(`workers: one that is killed while it serves ends its connection (${order})`, async () => {
    using stage = new Stage();
    await stage.model.start();
    const process = stage.isReady();
    stage.connect();
    stage.takes(process);
    stage.exits(process, KILLED, hearFirst);
    assert.deepEqual(stage.news(), [
      "took 1 100",
      "done 1 killed SIGKILL",
      "reaped 100 SIGKILL",
    ]);
  });

  test(`workers: what one never took goes to another (${order})`, async () => {
    using stage = new Stage();
    await stage.model.start();
    const first = stage.isReady();
    const { fd } = stage.connect();
    stage.exits(first, KILLED, hearFirst);
    assert.ok(fd.isOpen);
    const next = stage.processes[1]!;
    stage.isReady(next);
    assert.equal(stage.handed(next).id, 1);
    assert.deepEqual(stage.news(), ["reaped 100 SIGKILL"]);
  });
}

test("workers: what one said before it ended is heard first", async () => {
  using stage = new Stage();
  await stage.model.start();
  const process = stage.isReady();
  stage.connect();
  const handover = stage.handed(process);
  for (const report of [took(handover), done(handover, CLOSED)]) {
    sendFd(process.channel.number, encodeReport(report), null);
  }
  process.channel.close();
  process.exit(KILLED);
  assert.deepEqual(stage.news(), [
    "took 1 100",
    "done 1 closed ",
    "reaped 100 SIGKILL",
  ]);
});

test("workers: a connection that ten processes lost is refused by the eleventh", async () => {
  using stage = new Stage({ spares: 0 });
  await stage.model.start();
  const { fd } = stage.connect();
  for (let lost = 1; lost <= 11; lost++) {
    const process = stage.isReady();
    assert.equal(stage.handed(process).id, 1);
    stage.news();
    stage.exits(process, KILLED);
  }
  assert.ok(!fd.isOpen);
  assert.deepEqual(stage.news(), [
    "refused 1 processes kept exiting before accepting it",
    "reaped 110 SIGKILL",
  ]);
});

test("workers: one that takes turns serves again, and is replaced when its turns are over", async () => {
  using stage = new Stage({ most: 1, recycle: 2 });
  assert.equal(stage.model.reusesProcesses, true);
  await stage.model.start();
  const process = stage.isReady();
  stage.connect();
  stage.connect();
  assert.equal(stage.model.waiting, 1);
  stage.say(process, done(stage.takes(process), CLOSED));
  assert.deepEqual([stage.states(), stage.model.waiting], [["handed"], 0]);
  stage.say(process, done(stage.takes(process), CLOSED));
  stage.exits(process, WELL);
  assert.equal(stage.processes.length, 2);
  assert.deepEqual(stage.news(), [
    "took 1 100",
    "done 1 closed ",
    "took 2 100",
    "done 2 closed ",
    "reaped 100 0",
  ]);
});

test("workers: one whose connection was ended serves no other", async () => {
  using stage = new Stage({ recycle: Infinity, isHandler: true });
  await stage.model.start();
  const process = stage.isReady();
  stage.connect();
  const handover = stage.takes(process);
  assert.equal(stage.model.end(100, "stop"), true);
  assert.equal(stage.model.end(100, "SIGTERM"), true);
  stage.say(process, done(handover, CLOSED));
  assert.equal(stage.states()[0], "finished");
  assert.deepEqual(stage.news(), [
    "took 1 100",
    "stop 100",
    "kill 100 SIGTERM",
    "done 1 closed ",
  ]);
});

test("workers: `stop` means nothing to what is no handler, nor any signal to whom serves nobody", async () => {
  using stage = new Stage();
  await stage.model.start();
  const process = stage.isReady();
  stage.model.end(100, "SIGKILL");
  stage.connect();
  stage.takes(process);
  assert.equal(stage.model.end(100, "stop"), false);
  assert.deepEqual(stage.news(), ["took 1 100"]);
});

/** Reports, and the states in which each is one that follows. */
const REPORTS: readonly {
  name: string;
  follows: readonly string[];
  of: (handover: Handover) => Report | Uint8Array<ArrayBuffer>;
}[] = [
  { name: "step", follows: ["starting"], of: () => step("starting") },
  { name: "ready", follows: ["starting"], of: () => ready() },
  { name: "failed", follows: ["starting"], of: () => failed(0, "why") },
  { name: "took", follows: ["handed"], of: took },
  {
    name: "took of another",
    follows: [],
    of: (handover) => took({ ...handover, id: handover.id + 1 }),
  },
  {
    name: "took without the secret",
    follows: [],
    of: (handover) => took({ ...handover, secret: new Uint8Array(16) }),
  },
  {
    name: "done",
    follows: ["serving"],
    of: (handover) => done(handover, CLOSED),
  },
  {
    name: "done without the secret",
    follows: [],
    of: (handover) => done({ ...handover, secret: new Uint8Array(16) }, CLOSED),
  },
  { name: "exited", follows: [], of: () => exited(1, 1, 0) },
  { name: "no report", follows: [], of: () => new Uint8Array(496) },
  { name: "half a report", follows: [], of: () => new Uint8Array(100) },
];

for (const state of ["starting", "ready", "handed", "serving", "finished"]) {
  for (const { name, follows, of } of REPORTS) {
    if (follows.includes(state)) continue;
    test(`workers: ${name} from one that is ${state} is unexpected: it is killed, and nothing more of it is believed`, async () => {
      using stage = new Stage();
      await stage.model.start();
      const [process] = stage.processes as [Played];
      let handover: Handover = {
        kind: "connection",
        id: 1,
        peer: new Uint8Array(0),
        secret: new Uint8Array(16).fill(1),
      };
      if (state !== "starting") stage.isReady(process);
      if (["handed", "serving", "finished"].includes(state)) {
        stage.connect();
        handover = stage.handed(process);
      }
      if (["serving", "finished"].includes(state)) {
        stage.say(process, took(handover));
      }
      if (state === "finished") {
        sendFd(
          process.channel.number,
          encodeReport(done(handover, CLOSED)),
          null,
        );
      }
      stage.news();
      stage.say(process, of(handover));
      const all = stage.news();
      if (state === "finished") {
        // Its channel is closed with its connection: what it says after that is not even read.
        assert.deepEqual(all, ["done 1 closed "]);
        return;
      }
      const { pid } = process;
      assert.deepEqual(all.slice(0, 2), [
        `trouble Killed process ${Deno.pid}: it sent an unexpected report`,
        `punish ${pid}`,
      ]);
      if (pid > 0) {
        for (const { of } of REPORTS) stage.say(process, of(handover));
      }
      assert.deepEqual(stage.news(), []);
    });
  }
}

test("workers: one that ends before it is ready is replaced after a pause", async () => {
  using stage = new Stage();
  await stage.model.start();
  stage.exits(stage.processes[0]!, KILLED);
  assert.equal(stage.processes.length, 1);
  assert.deepEqual(stage.news(), [
    "trouble A connection process exited before it was ready",
    "reaped 0 SIGKILL",
  ]);
});

test("workers: where the source starts none at this moment, it says when", async () => {
  using stage = new Stage();
  stage.canLaunch = false;
  await stage.model.start();
  stage.connect();
  assert.equal(stage.processes.length, 0);
  stage.canLaunch = true;
  stage.model.resume();
  assert.equal(stage.processes.length, 1); // for the client
  stage.isReady();
  assert.equal(stage.processes.length, 2); // and a spare
});

test("workers: a model that must prove itself starts when its first process is ready", async () => {
  using stage = new Stage({ mustProve: true });
  const started = stage.model.start();
  await Promise.resolve(); // the source has started
  stage.say(stage.processes[0]!, step("loading the module"));
  stage.isReady(stage.processes[0]);
  await started;
  assert.deepEqual(stage.news(), []);
});

for (
  const [how, fail, message] of [
    [
      "says that it cannot serve",
      (stage: Stage) =>
        stage.say(stage.processes[0]!, failed(0, "it throws", "handler")),
      "it throws",
    ],
    [
      "ends",
      (stage: Stage) => stage.exits(stage.processes[0]!, KILLED),
      "its process exited while loading: SIGKILL",
    ],
  ] as const
) {
  test(`workers: a model that must prove itself fails when its first process ${how}`, async () => {
    using stage = new Stage({ mustProve: true, isHandler: true });
    const started = stage.model.start();
    await Promise.resolve();
    fail(stage);
    await assert.rejects(
      started,
      (error) =>
        error instanceof StartError && error.failure === "handler" &&
        error.message === message,
    );
    assert.equal(stage.processes.length, 1);
    assert.ok(!stage.news().some((line) => line.startsWith("trouble")));
  });
}

test("workers: who is stuck is ended, once, each after its own time; who may wait is not", async () => {
  using stage = new Stage({ spares: 3, isHandler: true });
  await stage.model.start();
  stage.isReady(); // the first; the other spares start
  const [serving, handed, idle] = stage.processes as [Played, Played, Played];
  stage.connect();
  stage.isReady(handed);
  stage.connect();
  stage.takes(serving);
  stage.isReady(idle);
  const { length } = stage.processes; // the others are starting
  stage.news();
  for (let seconds = 0; seconds < 5; seconds++) stage.model.look();
  assert.deepEqual(stage.news(), []);
  stage.model.look();
  assert.deepEqual(stage.news(), [
    `trouble Killed process ${handed.pid}: it reported nothing for 5 s`,
    `kill ${handed.pid} SIGKILL`,
  ]);
  stage.exits(handed, KILLED);
  assert.equal(stage.handed(idle).id, 2); // what it was handed goes to another
  stage.news();
  for (let seconds = 6; seconds < 60; seconds++) stage.model.look();
  stage.news();
  stage.model.look();
  const starting = stage.processes.slice(3, length);
  assert.ok(starting.length > 0);
  for (const { channel } of starting) {
    const seen = receiveFd(channel.number, { wait: false, size: 1 });
    assert.equal(seen, "end"); // nobody knows which process it is: it reads its end
  }
});

test("workers: connections that no process can be had for are refused when they are withdrawn, or the time is up", async () => {
  using stage = new Stage({ most: 0 });
  await stage.model.start();
  for (let i = 0; i < 3; i++) stage.connect();
  stage.model.withdraw(2, "dropped");
  stage.model.withdraw(2, "dropped");
  assert.deepEqual(stage.news(), ["refused 2 dropped"]);
  stage.model.retire();
  stage.model.kill("SIGTERM");
  assert.deepEqual(stage.news(), [
    "refused 1 server is ending",
    "refused 3 server is ending",
    "drain",
  ]);
});

test("workers: a drain tells handlers, lets go of who waits, and of the source when nobody is handed anything", async () => {
  using stage = new Stage({ isHandler: true });
  await stage.model.start();
  const first = stage.isReady();
  stage.connect();
  const handover = stage.takes(first);
  const second = stage.isReady(stage.processes[1]);
  stage.connect();
  const third = stage.isReady(stage.processes[2]);
  stage.news();
  stage.model.askToStop();
  stage.model.askToStop();
  assert.deepEqual(stage.news(), ["stop 100"]);
  stage.model.retire();
  assert.equal(
    receiveFd(third.channel.number, { wait: false, size: 1 }),
    "end",
  );
  assert.deepEqual(stage.news(), []); // the second has been handed one
  stage.takes(second);
  assert.deepEqual(stage.news(), ["took 2 101", "stop 101", "drain"]);
  stage.say(first, done(handover, CLOSED));
  for (const process of [first, third]) stage.exits(process, WELL);
  assert.deepEqual(stage.states(), ["serving"]);
});
