/** The page's state does not depend on the order of events. */
import assert from "node:assert/strict";
import { World } from "../../src/page/web/state.js";
import { test } from "../helpers/testing.ts";

const SERVER = 1000;
const ROW = { id: 1, peer: "192.0.2.1:1", pid: 7, age: 5, in: 3, out: 3 };
const status = { pid: SERVER, model: "spawn", listener: {} };
const events = [
  { event: "accepted", at: 10, id: 1, peer: "192.0.2.1:1" },
  { event: "handed", at: 20, id: 1, pid: 7 },
  { event: "took", at: 30, heard: 40, id: 1, pid: 7 },
];
const ends = [
  { event: "half-closed", at: 50, id: 1, pid: 7 },
  {
    ...{ event: "done", at: 60, heard: 70, id: 1, pid: 7, in: 5, out: 5 },
    ...{ reason: "closed", text: "" },
  },
  { event: "reaped", at: 80, pid: 7, role: "connection", code: 0 },
];

function world(): World {
  const made = new World();
  made.began({ pid: SERVER, at: 0, time: Date.now() });
  return made;
}

function look(on: World, connections: object[]): void {
  on.look({ status, processes: [], connections, waiting: 0 });
}

function tell(on: World, told: object[]): void {
  on.events({ pid: SERVER, events: told });
}

function kinds(on: World): string[] {
  return [...on.connections.values()].flatMap(({ steps }) =>
    steps.map(({ kind }: { kind: string }) => kind)
  );
}

const ALL = [
  ...["accept", "hand", "took", "serve", "close", "half", "done", "exit"],
  "reap",
];

test("page's state: a look that comes before a connection's events, between them or after them changes none of its steps", () => {
  for (const at of [0, 1, 2, 3]) {
    const on = world();
    const parts = [events.slice(0, 2), events.slice(2), ends];
    parts.forEach((part, i) => {
      if (i === at) look(on, [ROW]);
      tell(on, part);
    });
    if (at === 3) look(on, [ROW]);
    assert.deepEqual(kinds(on), ALL, `before part ${at}`);
  }
});

test("page's state: a connection that was there before the page is served until it is done", () => {
  const on = world();
  look(on, [ROW]);
  assert.deepEqual(kinds(on), ["accept", "took", "serve", "close"]);
  tell(on, ends);
  assert.deepEqual(kinds(on).slice(4), ["half", "done", "exit", "reap"]);
});

test("page's state: a connection whose end was skipped is over when some looks do not list it", () => {
  const on = world();
  tell(on, [...events, { event: "skipped", at: 45, count: 9 }]);
  const [connection] = on.connections.values();
  for (const rows of [[], [ROW], [], [], []]) {
    assert.equal(connection!.isOver, false);
    look(on, rows);
  }
  assert.equal(connection!.isOver, true);
  assert.equal(connection!.isGone, true);
});

test("page's state: nothing is left of a server that has ended, and its size has a limit", () => {
  const on = world();
  tell(on, events);
  on.ended({ pid: SERVER });
  const [connection] = on.connections.values();
  assert.equal(connection!.isGone, true);
  assert.equal(on.servers.size, 0);
  for (let id = 1; id <= 2000; id++) {
    tell(on, [...events, ...ends].map((event) => ({ ...event, id })));
  }
  assert.ok(on.connections.size <= 500, `${on.connections.size}`);
  assert.equal(on.met, 2000);
});

test("page's state: a half-close that the kernel tells of is a step, until the process says when it was", () => {
  const on = world();
  tell(on, events);
  look(on, [{ ...ROW, halfClosed: true }]);
  look(on, [{ ...ROW, halfClosed: true }]);
  const steps = (): { kind: string; at: number; isMeasured: boolean }[] =>
    [...on.connections.values()][0]!.steps;
  const halves = () => steps().filter(({ kind }) => kind === "half");
  assert.deepEqual(halves().map((it) => it.isMeasured), [false]);
  tell(on, ends);
  assert.deepEqual(halves().map(({ at, isMeasured }) => [at, isMeasured]), [
    [50, true],
  ]);
  assert.deepEqual(kinds(on), ALL);
});

test("page's state: what is left out again and again is one line of the log, and a flood", () => {
  const on = world();
  assert.equal(on.isFlooded(performance.now()), false);
  for (const count of [3, 4]) tell(on, [{ event: "skipped", at: 1, count }]);
  const [last] = on.log.slice(-1);
  assert.deepEqual([last.kind, last.values.count], ["skipped", 7]);
  assert.equal(on.log.filter(({ kind }) => kind === "skipped").length, 1);
  assert.equal(on.skipped, 7);
  assert.equal(on.isFlooded(performance.now()), true);
  assert.equal(on.isFlooded(performance.now() + 60_000), false);
});
