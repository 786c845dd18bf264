/** Models that follow one another while a server runs, each without a process. */
import assert from "node:assert/strict";
import { Generations } from "../../src/model/choose.ts";
import type { ProcessModel } from "../../src/model/model.ts";
import { Fd } from "../../src/posix/fd.ts";
import { test } from "../helpers/testing.ts";

/** A model that notes what is asked of it, with one process and as many waiting connections as its pid says. */
function played(pid: number) {
  const asked: string[] = [];
  const ended = Promise.withResolvers<void>();
  const say = (...words: unknown[]) => void asked.push(words.join(" "));
  const model: ProcessModel = {
    name: `model ${pid}`,
    reusesProcesses: pid > 1,
    rewinding: null,
    waiting: pid,
    start: () => Promise.resolve(),
    serve: ({ id }) => say("serve", id),
    withdraw: (id, why) => say("withdraw", id, why),
    end: (pid, signal) => {
      say("end", pid, signal);
      return true;
    },
    processes: () => [
      { pid, parent: 0, role: "connection", state: "serving", connection: 1 },
    ],
    askToStop: () => say("stop"),
    retire: () => say("retire"),
    kill: (signal) => say("kill", signal),
    ended: () => ended.promise,
  };
  return { model, asked, end: () => ended.resolve() };
}

function serve(models: ProcessModel, id: number): void {
  models.serve({ id, fd: new Fd(-1), sockaddr: new Uint8Array(0), lost: 0 });
}

/** Lets all that is under way go on. */
async function turn(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

test("generations: connections go to the newest; the one before retires, and is asked until it has ended", async () => {
  const [one, two] = [played(1), played(2)];
  const models = new Generations(one.model);
  await models.start();
  serve(models, 1);
  let hasEnded = false;
  await models.replace(
    () => Promise.resolve(two.model),
    () => hasEnded = true,
  );
  serve(models, 2);
  assert.deepEqual([models.name, models.reusesProcesses], ["model 2", true]);
  assert.equal(models.rewinding, null);
  assert.equal(models.waiting, 3);
  assert.deepEqual([...models.processes()].map(({ pid }) => pid), [1, 2]);
  models.withdraw(1, "why");
  assert.ok(models.end(1, "stop"));
  assert.ok(models.end(2, "SIGTERM"));
  assert.equal(models.end(3, "stop"), false);
  models.kill("SIGTERM");
  const toAll = ["withdraw 1 why", "kill SIGTERM"];
  assert.deepEqual(one.asked, [
    ...["serve 1", "retire", toAll[0], "end 1 stop", toAll[1]],
  ]);
  assert.deepEqual(two.asked, [
    ...["serve 2", toAll[0], "end 2 SIGTERM", toAll[1]],
  ]);
  one.end();
  await turn();
  assert.ok(hasEnded);
  assert.deepEqual([...models.processes()].map(({ pid }) => pid), [2]);
  assert.equal(models.waiting, 2);
});

test("generations: where the next one cannot start, all stays as it was", async () => {
  const one = played(1);
  const models = new Generations(one.model);
  await assert.rejects(
    models.replace(() => Promise.reject(new Error("why")), () => {}),
    /why/,
  );
  serve(models, 1);
  assert.deepEqual(one.asked, ["serve 1"]);
  assert.equal(models.name, "model 1");
});

test("generations: one that starts while the server ends is told so, and waited for", async () => {
  const [one, two] = [played(1), played(2)];
  const models = new Generations(one.model);
  const starting = Promise.withResolvers<ProcessModel>();
  const replaced = models.replace(() => starting.promise, () => {});
  let isStopping = false, hasEnded = false;
  void models.stopping.then(() => isStopping = true);
  models.askToStop();
  models.retire();
  void models.ended().then(() => hasEnded = true);
  await turn();
  assert.ok(isStopping);
  one.end();
  await turn();
  assert.equal(hasEnded, false, "the next one is starting");
  starting.resolve(two.model);
  await replaced;
  assert.deepEqual(two.asked, ["stop", "retire"]);
  assert.equal(hasEnded, false);
  two.end();
  await turn();
  assert.ok(hasEnded);
});
