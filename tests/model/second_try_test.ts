/** The second try to fork, on a machine that was too busy when the server started. */
import assert from "node:assert/strict";
import { SecondTry } from "../../src/model/choose.ts";
import {
  type ProcessEntry,
  type ProcessModel,
  type ProcessState,
  StartError,
} from "../../src/model/model.ts";
import { Progress } from "../../src/model/supervision.ts";
import { Fd } from "../../src/posix/fd.ts";
import { STEPS } from "../../src/wire/records.ts";
import { test, until } from "../helpers/testing.ts";
import { runAlone } from "./alone.ts";

/** A model without processes, which notes what is asked of it. */
function played(name: string) {
  const asked: string[] = [];
  const ended = Promise.withResolvers<void>();
  const model: ProcessModel = {
    name,
    reusesProcesses: false,
    rewinding: null,
    waiting: 0,
    start: () => Promise.resolve(),
    serve: ({ id }) => asked.push(`serve ${id}`),
    withdraw: () => {},
    end: () => false,
    processes: () => [],
    askToStop: () => asked.push("stop"),
    retire: () => {
      asked.push("retire");
      ended.resolve();
    },
    kill: () => {},
    ended: () => ended.promise,
  };
  return { model, asked };
}

const connection = (id: number) => ({
  id,
  fd: new Fd(-1), // nobody looks at it
  sockaddr: new Uint8Array(0),
  lost: 0,
});

test("second try: new connections go to what could not be started at first, and a person is told", async () => {
  const [before, after] = [played("spawn"), played("fork")];
  const said: string[] = [];
  const chosen = new SecondTry(
    before.model,
    "too slow",
    () => Promise.resolve(after.model),
    { changed: (what) => said.push(what) },
    0,
  );
  chosen.model.serve(connection(1));
  assert.deepEqual([chosen.model.name, chosen.why], ["spawn", "too slow"]);
  await until("it has changed", () => said.length > 0);
  chosen.model.serve(connection(2));
  assert.deepEqual([chosen.model.name, chosen.why], ["fork", undefined]);
  assert.deepEqual(said, ["Switched to fork for new connections"]);
  assert.deepEqual(before.asked, ["serve 1", "retire"]);
  assert.deepEqual(after.asked, ["serve 2"]);
});

test("second try: it is one; where it fails all stays as it is, and a person is told why", async () => {
  const { model, asked } = played("spawn");
  const said: string[] = [];
  let tries = 0;
  const chosen = new SecondTry(
    model,
    "too slow",
    () => {
      tries++;
      return Promise.reject(new StartError("still too slow"));
    },
    { changed: (what) => said.push(what) },
    0,
  );
  await until("it is told", () => said.length > 0);
  chosen.model.serve(connection(1));
  assert.deepEqual(said, ["Staying with spawn: still too slow"]);
  assert.deepEqual([chosen.model.name, chosen.why], [
    "spawn",
    "still too slow",
  ]);
  assert.deepEqual(asked, ["serve 1"]);
  assert.equal(tries, 1);
});

for (const end of ["askToStop", "retire"] as const) {
  test(`second try: none is made when the server drains (${end})`, async () => {
    const { model } = played("spawn");
    const chosen = new SecondTry(
      model,
      "too slow",
      () => assert.fail("it was made"),
      { changed: assert.fail },
      86_400_000, // the test would end with a timer that is left
    );
    chosen.model[end]();
    chosen.model.retire();
    await chosen.model.ended();
  });
}

test("progress: a process that says nothing for too long is slow, which is no other fault", async () => {
  const progress = new Progress(() => [], 0);
  progress.step("preparing to fork");
  await assert.rejects(
    () => progress.wait(),
    (error: StartError) =>
      error.failure === "slow" && /still preparing to fork/.test(error.message),
  );
});

/** Played processes by state; their ids are 1, 2, … */
function processes(...states: ProcessState[]): ProcessEntry[] {
  return states.map((state, i) => {
    return { pid: i + 1, parent: 0, role: "connection", state, connection: 0 };
  });
}

test("progress: a process that computes all the while has five times as long", async () => {
  let looks = 0;
  const starting = processes("starting");
  const progress = new Progress(() => starting, 10, () => ++looks);
  await assert.rejects(() => progress.wait(), /still starting after 0.05 s/);
});

test("progress: one that stands still has no longer because another serves and computes", async () => {
  let looks = 0;
  const both = processes("starting", "serving");
  const used = (pid: number) => pid === 2 ? ++looks : 0;
  const progress = new Progress(() => both, 10, used);
  await assert.rejects(() => progress.wait(), /still starting after 0.01 s/);
});

test("progress: a module that computes all the while has no longer than another", async () => {
  let looks = 0;
  const starting = processes("starting");
  const progress = new Progress(() => starting, 10, () => ++looks);
  progress.step(STEPS.loading);
  await assert.rejects(() => progress.wait(), /still loading after 0.01 s/);
});

test(
  "second try: who is served finishes where it was, and who comes later is forked",
  async () => {
    const { success, stderr } = await runAlone("second_try.ts");
    assert.ok(success, stderr);
  },
  { ignore: Deno.build.os !== "linux" },
);
