import assert from "node:assert/strict";
import { Countdown } from "../../src/server/countdown.ts";
import { test } from "../helpers/testing.ts";

/** Lets time go by, but no timer be heard. */
function pass(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

test("Countdown: what is not stopped is late, once, in order, and never too soon", async () => {
  const begun = new Map<string, number>();
  const late: string[] = [];
  const all = Promise.withResolvers<void>();
  const countdown = new Countdown<string>(50, (key) => {
    assert.ok(performance.now() - begun.get(key)! >= 49);
    late.push(key);
    if (late.length === 3) all.resolve();
  });
  for (const key of ["a", "b", "c", "d"]) {
    begun.set(key, performance.now());
    countdown.start(key);
    pass(5);
  }
  countdown.stop("b");
  countdown.stop("b");
  countdown.stop("never begun");
  assert.equal(countdown.size, 3);
  await all.promise;
  assert.deepEqual(late, ["a", "c", "d"]);
  assert.equal(countdown.size, 0);
});

test("Countdown: starting anew gives the whole time again", async () => {
  const late: string[] = [];
  const both = Promise.withResolvers<void>();
  const countdown = new Countdown<string>(30, (key) => {
    if (late.push(key) === 2) both.resolve();
  });
  countdown.start("a");
  countdown.start("b");
  countdown.start("a");
  await both.promise;
  assert.deepEqual(late, ["b", "a"]);
});

test("Countdown: may be used from its own call, and leaves no timer behind", async () => {
  const twice = Promise.withResolvers<void>();
  let calls = 0;
  const countdown = new Countdown<number>(5, (key) => {
    if (++calls === 2) twice.resolve();
    else countdown.start(key);
  });
  countdown.start(1);
  await twice.promise;
  countdown.start(2);
  countdown.stop(2); // the sanitizer sees a timer that is left
  assert.equal(countdown.size, 0);
});
