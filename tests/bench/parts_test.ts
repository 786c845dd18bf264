import fc from "fast-check";
import assert from "node:assert/strict";
import { Latencies } from "../../src/bench/outcome.ts";
import { loadProcesses, type Plan, shares } from "../../src/bench/plan.ts";
import {
  encodeFrame,
  type Frame,
  readFrames,
} from "../../src/bench/recorder.ts";
import { closedLoop, openLoop } from "../../src/bench/loads.ts";
import { test } from "../helpers/testing.ts";

const plan: Plan = {
  mode: "ping",
  target: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
  connections: 7,
  processes: 3,
  size: 64,
  duration: 1000,
  warmup: 0,
  rate: 300,
  timeout: 1000,
};

test("shares: nothing of a plan is lost or doubled", () => {
  const all = shares(plan);
  assert.deepEqual(all.map((share) => share.connections), [3, 2, 2]);
  assert.deepEqual(all.map((share) => share.rate), [100, 100, 100]);
  assert.deepEqual(all.map((share) => Math.round(3 * share.offset)), [
    0,
    10,
    20,
  ]);
});

test("loadProcesses: none without work; a stream has pairs", () => {
  assert.equal(loadProcesses("ping", 4, 1), 1);
  assert.equal(loadProcesses("ping", 4, 9), 4);
  assert.equal(loadProcesses("stream", 1, 9), 1);
  assert.equal(loadProcesses("stream", 5, 9), 4);
  assert.equal(loadProcesses("stream", 5, 1), 2);
});

test("readFrames: reads what encodeFrame writes, however it is cut", async () => {
  const frame = fc.record({
    kind: fc.constantFrom("ready" as const, "tick" as const, "end" as const),
    at: fc.nat(),
    done: fc.nat(),
    bytes: fc.nat(),
    failures: fc.dictionary(fc.constantFrom("reset", "ended early"), fc.nat()),
    processorTime: fc.option(fc.nat()),
    latencies: fc.float32Array({ noNaN: true, maxLength: 9 }),
  });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(frame), cuts, async (frames, cuts) => {
      const sent = frames.map((it) => ({
        ...it,
        latencies: new Float32Array(it.latencies),
      }));
      const bytes = await new Blob(sent.map(encodeFrame)).bytes();
      const got: Frame[] = [];
      for await (
        const it of readFrames(ReadableStream.from(cutUp(bytes, cuts)))
      ) got.push(it);
      assert.deepEqual(got.map(plain), sent.map(plain));
    }),
    { numRuns: 50 },
  );
});

function cutUp(
  bytes: Uint8Array<ArrayBuffer>,
  sizes: readonly number[],
): Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    parts.push(bytes.slice(at, at + size));
    at += size;
  }
  return parts;
}

function plain(frame: Frame): unknown {
  return {
    ...frame,
    failures: { ...frame.failures },
    latencies: [...frame.latencies],
  };
}

test("readFrames: an end inside a frame is an error", async () => {
  const bytes = encodeFrame({
    kind: "end",
    at: 0,
    done: 0,
    bytes: 0,
    failures: {},
    processorTime: null,
    latencies: new Float32Array(1),
  });
  const cut = ReadableStream.from([bytes.slice(0, -1)]);
  await assert.rejects(async () => {
    for await (const _ of readFrames(cut));
  }, TypeError);
});

test("openLoop: every request is due at its time, however late it is taken", () => {
  const schedule = openLoop({ rate: 1000, offset: 0.5, end: 5 });
  assert.equal(schedule.take(0.4), null);
  assert.equal(schedule.next, 0.5);
  assert.deepEqual([1, 100, 100, 100].map((now) => schedule.take(now)), [
    0.5,
    1.5,
    2.5,
    3.5,
  ]);
  assert.equal(schedule.take(100), 4.5);
  assert.deepEqual([schedule.take(100), schedule.next], [null, Infinity]);
});

test("closedLoop: a request is due when somebody can send it, until the end", () => {
  const schedule = closedLoop(5);
  assert.deepEqual([schedule.take(0), schedule.take(4.9), schedule.take(5)], [
    0,
    4.9,
    null,
  ]);
});

test("Latencies: percentiles to three digits", () => {
  const latencies = new Latencies();
  assert.equal(latencies.summary, null);
  latencies.add(Float32Array.from({ length: 1000 }, (_, i) => i + 1)); // 1 to 1,000 microseconds
  const { count, min, p50, p99, max } = latencies.summary!;
  assert.equal(count, 1000);
  const close = (value: number, wanted: number) =>
    assert.ok(Math.abs(value / wanted - 1) < 0.002, `${value}`);
  close(min, 0.001);
  close(p50, 0.5);
  close(p99, 0.99);
  close(max, 1);
  const { distribution } = latencies;
  assert.equal(distribution.at(-1)!.percent, 100);
  assert.ok(
    distribution.every(({ latency }, i) =>
      i === 0 || latency >= distribution[i - 1]!.latency
    ),
  );
});

test("Latencies: what is longer than a minute is counted, not lost", () => {
  const latencies = new Latencies();
  latencies.add(new Float32Array([3.6e9]));
  assert.equal(latencies.summary!.count, 1);
});
