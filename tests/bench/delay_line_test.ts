import fc from "fast-check";
import assert from "node:assert/strict";
import { DelayLine } from "../../src/bench/relay.ts";
import { test } from "../helpers/testing.ts";

const bytes = (length: number) => new Uint8Array(length).fill(7);

test("DelayLine: every byte comes out the delay after it went in, whatever came between", () => {
  const line = new DelayLine({ delay: 20, bandwidth: null });
  const taken: [number, number][] = [];
  for (const at of [0, 1, 5]) line.push(at, bytes(10));
  line.end(6);
  for (let now = 0; now <= 30; now++) {
    line.drain(now, (piece) => {
      taken.push([now, piece?.length ?? -1]);
      return piece?.length ?? 0;
    });
  }
  assert.deepEqual(taken, [[20, 10], [21, 10], [25, 10], [26, -1]]);
  assert.ok(line.isOver);
});

test("DelayLine: bandwidth spreads bytes, and the end waits for them", () => {
  const line = new DelayLine({ delay: 20, bandwidth: 1000 }); // a byte a millisecond
  for (let i = 0; i < 3; i++) line.push(0, bytes(10));
  line.end(0);
  const due: number[] = [];
  while (!line.isOver) {
    due.push(line.due);
    line.drain(line.due, (piece) => piece?.length ?? 0);
  }
  assert.deepEqual(due, [30, 40, 50]);
});

test("DelayLine: takes no more than there is room for, also in many small pieces", () => {
  for (
    const [bandwidth, room] of [[null, 16 * 2 ** 20], [
      1e6,
      65536 + 20_000,
    ]] as const
  ) {
    for (const size of [1, 65536]) {
      const line = new DelayLine({ delay: 20, bandwidth });
      let held = 0, pieces = 0;
      for (; line.takes; held += size) {
        line.push(0, bytes(size));
        pieces++;
      }
      assert.ok(
        held + 256 * pieces <= room + 65536 + 256,
        `${held} bytes in ${pieces}`,
      );
      line.drain(1e9, (piece) => piece!.length);
      assert.ok(line.takes, "again, when they came out");
    }
  }
});

test("DelayLine: nothing is lost, doubled or reordered by a receiver that takes a part", () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }));
  const takes = fc.array(fc.integer({ min: -1, max: 5 }), { minLength: 1 });
  fc.assert(fc.property(pieces, takes, (pieces, takes) => {
    const line = new DelayLine({ delay: 1, bandwidth: null });
    for (const piece of pieces) line.push(0, piece);
    line.end(0);
    const out: number[] = [];
    let ended = false;
    for (let i = 0, left = 1000; !line.isOver && left > 0; left--) {
      line.drain(1, (piece) => {
        assert.ok(!ended);
        ended = piece === null;
        if (piece === null) return 0;
        const wanted = left < 500 ? 5 : takes[i++ % takes.length]!;
        const count = wanted < 1 ? -1 : Math.min(wanted, piece.length);
        out.push(...piece.subarray(0, Math.max(0, count)));
        return count;
      });
    }
    assert.deepEqual(out, pieces.flatMap((piece) => [...piece]));
    assert.ok(ended);
  }));
});
