import fc from "fast-check";
import assert from "node:assert/strict";
import { TokenBucket, TokenBuckets } from "../../../src/server/admission.ts";
import { test } from "../../helpers/testing.ts";

type Rate = ConstructorParameters<typeof TokenBucket>[0];
const rate = (count: number, per: number, burst = count): Rate => ({
  count,
  per,
  burst,
});

/** The textbook's bucket: a count of tokens that grows with time. */
class Textbook {
  #tokens: number;
  #last = 0;
  readonly #rate: Rate;
  constructor(rate: Rate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }
  take(now: number): boolean {
    const { count, per, burst } = this.#rate;
    const grown = this.#tokens + (now - this.#last) * count / per;
    this.#tokens = Math.min(burst, grown);
    this.#last = now;
    if (this.#tokens < 1 - 1e-6) return false;
    this.#tokens--;
    return true;
  }
}

test("TokenBucket: gives a burst, then as many as the rate allows", () => {
  const bucket = new TokenBucket(rate(10, 1000, 3));
  for (let i = 0; i < 3; i++) {
    assert.equal(bucket.wait(0), 0);
    bucket.take(0);
  }
  assert.equal(Math.round(bucket.wait(0)), 100);
  assert.equal(Math.round(bucket.wait(60)), 40);
  assert.equal(bucket.wait(100), 0);
  bucket.take(100);
  assert.ok(bucket.wait(100) > 0);
  for (let i = 0; i < 3; i++) bucket.take(10_000); // full again, and not fuller
  assert.ok(bucket.wait(10_000) > 0);
});

test("TokenBucket: decides as the textbook's does, whatever the times", () => {
  const rates = fc.record({
    count: fc.integer({ min: 1, max: 100 }),
    per: fc.integer({ min: 1, max: 10_000 }),
    burst: fc.integer({ min: 1, max: 20 }),
  });
  // Steps of whole parts of a second, so that rounding does not decide.
  const steps = fc.array(fc.integer({ min: 0, max: 2_000 }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(rates, steps, (rate, steps) => {
      const bucket = new TokenBucket(rate), textbook = new Textbook(rate);
      let now = 0;
      for (const step of steps) {
        now += step;
        const given = bucket.wait(now) === 0;
        if (given) bucket.take(now);
        assert.equal(given, textbook.take(now));
      }
    }),
    { seed: 2 },
  );
});

test("TokenBucket: after the wait that it names there is a token, not before", () => {
  const counts = fc.integer({ min: 1, max: 1000 });
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 50 }), (count, taken) => {
      const bucket = new TokenBucket(rate(count, 1000, 1));
      for (let i = 0; i < taken; i++) bucket.take(0);
      const wait = bucket.wait(0);
      assert.ok(bucket.wait(wait - 0.01) > 0);
      assert.equal(bucket.wait(wait), 0);
    }),
    { seed: 3 },
  );
});

test("TokenBuckets: each has tokens of its own", () => {
  const buckets = new TokenBuckets(rate(1, 1000), 10);
  buckets.take("a", 0);
  assert.ok(buckets.wait("a", 0) > 0);
  assert.equal(buckets.wait("b", 0), 0);
});

test("TokenBuckets: keep no more than allowed, and forget who has not come for longest", () => {
  const buckets = new TokenBuckets(rate(1, 1_000_000), 3);
  for (const key of ["a", "b", "c"]) buckets.take(key, 0);
  buckets.take("a", 1);
  for (let i = 0; i < 1000; i++) buckets.take(`x${i}`, 2);
  assert.equal(buckets.size, 3);
  buckets.take("y", 3);
  assert.equal(buckets.wait("x997", 3), 0);
  assert.ok(buckets.wait("x999", 3) > 0);
});

test("TokenBuckets: forgetting those that are full changes no decision, and leaves none behind", () => {
  const buckets = new TokenBuckets(rate(1, 1000, 2), 10);
  buckets.take("once", 0);
  buckets.take("twice", 0);
  buckets.take("twice", 0);
  buckets.sweep(999);
  assert.equal(buckets.size, 2);
  buckets.sweep(1000);
  assert.equal(buckets.size, 1);
  buckets.take("twice", 1000);
  assert.ok(buckets.wait("twice", 1000) > 0);
  buckets.sweep(10_000);
  assert.equal(buckets.size, 0);
});
