import assert from "node:assert/strict";
import { PosixError } from "../../src/posix/errno.ts";
import { SpareTime } from "../../src/zygote/warm_up.ts";
import { test } from "../helpers/testing.ts";

/** A rehearsal of three slices that counts what was done of it. */
function rehearsal() {
  const done = { slices: 0 };
  async function* slices(): AsyncGenerator<void> {
    for (let i = 0; i < 3; i++) {
      done.slices++;
      yield await Promise.resolve();
    }
  }
  return { done, slices: slices() };
}

test("spare time: is used as long as nobody comes", async () => {
  const { done, slices } = rehearsal();
  const spare = new SpareTime(slices);
  assert.equal(spare.isOver, false);
  await spare.use(() => false);
  assert.equal(done.slices, 3);
  assert.ok(spare.isOver);
});

test("spare time: whoever comes waits for one slice at most", async () => {
  const { done, slices } = rehearsal();
  const spare = new SpareTime(slices);
  let looks = 0;
  await spare.use(() => ++looks === 2);
  assert.equal(done.slices, 2);
  assert.ok(!spare.isOver);
  await spare.use(() => true);
  assert.equal(done.slices, 3);
  await spare.use(() => true);
  assert.ok(spare.isOver);
});

test("spare time: a load without a quiet moment gets a slice after each fork at last, until all is warm", async () => {
  const { slices } = rehearsal();
  const spare = new SpareTime(slices);
  const due = Array.from({ length: 34 }, () => spare.forked());
  assert.deepEqual(due, due.map((_, forks) => forks >= 32));
  await spare.use(() => false);
  assert.equal(spare.forked(), false);
});

test("spare time: is over where nothing is left to do, or the system refuses", async () => {
  assert.ok(new SpareTime(null).isOver);
  async function* refused(): AsyncGenerator<void> {
    yield;
    await Promise.reject(new PosixError("socketpair", 24));
  }
  const spare = new SpareTime(refused());
  await spare.use(() => false);
  assert.ok(spare.isOver);
});

test("spare time: another fault is not kept quiet", async () => {
  async function* broken(): AsyncGenerator<void> {
    yield;
    await Promise.reject(new TypeError("broken"));
  }
  const spare = new SpareTime(broken());
  await assert.rejects(() => spare.use(() => false), /broken/);
});
