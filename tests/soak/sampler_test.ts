import assert from "node:assert/strict";
import type { ProcessInfo } from "../helpers/processes.ts";
import type { TestServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { Cycle } from "./cycle.ts";
import { Ledger } from "./ledger.ts";
import { Course } from "./sampler.ts";
import { STAGES } from "./stages.ts";
import { growth } from "./trend.ts";

const ZYGOTE = 6;
const ZOMBIE = processOf(7, ZYGOTE, "mpserv:conn", "Z");

function processOf(
  pid: number,
  parent: number,
  comm: string,
  state: string,
): ProcessInfo {
  return { pid, parent, session: 1, comm, state };
}

/** A server that is made of what the test says. */
function course(
  { children = () => [] as ProcessInfo[], descriptors = () => [] as string[] },
) {
  const ledger = new Ledger(STAGES[0]!);
  const server = {
    pid: Deno.pid,
    children,
    steadyDescriptors: () => Promise.resolve(descriptors()),
  } as unknown as TestServer;
  return { course: new Course({ stage: STAGES[0]!, server, ledger }), ledger };
}

test("soak sampler: a process that ended and is not reaped for long is told once", () => {
  let state = "T"; // a stopped zygote cannot reap
  const { course: seen, ledger } = course({
    children: () => [processOf(ZYGOTE, 1, "mpserv:zygote", state), ZOMBIE],
  });
  for (const at of [0, 10, 30]) seen.look(at);
  state = "S";
  for (const at of [31, 40, 50]) seen.look(at);
  assert.deepEqual(ledger.problems(), []);
  for (const at of [51, 60]) seen.look(at);
  assert.deepEqual(ledger.problems(), [
    "zombie: mpserv:conn 7 of 6 (mpserv:zygote, S) ended 21 s ago",
  ]);
});

test("soak sampler: descriptors that are more at a later rest are told", async () => {
  const open = ["socket", "pipe"];
  const { course: seen, ledger } = course({ descriptors: () => [...open] });
  await seen.rest(1);
  await seen.rest(2);
  assert.deepEqual(ledger.problems(), []);
  open.push("pipe");
  await seen.rest(3);
  assert.deepEqual(ledger.problems(), [
    "descriptors: 2 at the first rest, 3 at 3 s",
  ]);
});

test("soak sampler: a sandbox is listened to as long as a process is in it", async () => {
  let children = [processOf(ZYGOTE, Deno.pid, "mpserv:zygote", "S")];
  const sandbox = "anon_inode:seccomp notify";
  const open = [sandbox];
  const { course: seen, ledger } = course({
    children: () => children,
    descriptors: () => open,
  });
  await seen.rest(1);
  open.push(sandbox);
  children = [...children, processOf(7, Deno.pid, "mpserv:conn", "S")];
  await seen.rest(2);
  assert.deepEqual(ledger.problems(), []);
  children = [children[0]!, processOf(8, ZYGOTE, "mpserv:conn", "S")];
  await seen.rest(3);
  assert.deepEqual(ledger.problems(), [
    "descriptors: 2 sandboxes of 1 families at 3 s",
  ]);
});

test("soak sampler: memory that grows is told, but not while it warms up", () => {
  for (const leaks of [true, false]) {
    const { course: seen, ledger } = course({});
    for (let at = 0; at <= 1000; at += 10) {
      const value = 100_000 * (leaks ? at : Math.min(at, 200));
      seen.memory.push({ at, value });
    }
    assert.equal(seen.growth(1000).parent, leaks ? 75_000_000 : 0);
    assert.equal(ledger.problems().length, leaks ? 1 : 0);
  }
});

test("soak trend: a saw tooth does not grow, what grows under it shows", () => {
  const samples = (slope: number) =>
    Array.from({ length: 401 }, (_, at) => ({
      at,
      value: 10 * (at % 10) + slope * at,
    }));
  assert.ok(Math.abs(growth(samples(0))) < 5);
  assert.ok(Math.abs(growth(samples(1)) - 400) < 5);
  assert.equal(growth([]), 0);
});

test("soak trend: a heap that takes another size once does not grow", () => {
  for (const step of [10, 40, 60, 90]) {
    const samples = Array.from({ length: 101 }, (_, at) => ({
      at,
      value: at < step ? 18 : 51,
    }));
    assert.equal(growth(samples), 0);
  }
});

test("soak cycle: parts go around its end, and a byte that is wrong is seen", () => {
  const cycle = new Cycle(new Uint8Array([1, 2, 3]));
  assert.deepEqual([...cycle.part(8, 4)], [3, 1, 2, 3]);
  assert.ok(cycle.holds(1_000_001, new Uint8Array([3, 1])));
  assert.ok(!cycle.holds(1_000_001, new Uint8Array([3, 2])));
  assert.deepEqual([...cycle.map((byte) => byte + 1).part(0, 4)], [2, 3, 4, 2]);
});
