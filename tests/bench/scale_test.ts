import fc from "fast-check";
import assert from "node:assert/strict";
import {
  drawPlot,
  linearScale,
  logScale,
  percentileScale,
  readable,
} from "../../src/bench/page.ts";
import { test } from "../helpers/testing.ts";

const positive = fc.double({ min: 1e-4, max: 1e9, noNaN: true });

/** Ticks rise, in the order of their places, and values between the ends keep their order. */
function isSound(
  scale: ReturnType<typeof linearScale>,
  values: readonly number[],
): void {
  const places = scale.ticks.map(({ value }) => scale.at(value));
  assert.ok(places.every((place, i) => i === 0 || place > places[i - 1]!));
  const sorted = values.toSorted((a, b) => a - b).map((value) =>
    scale.at(value)
  );
  assert.ok(
    sorted.every((place, i) =>
      0 <= place && place <= 1 && (i === 0 || place >= sorted[i - 1]!)
    ),
  );
}

test("scales: values lie in order between the ends, and so do the ticks", () => {
  fc.assert(
    fc.property(
      fc.array(positive, { minLength: 1, maxLength: 20 }),
      (values) => {
        const [least, most] = [Math.min(...values), Math.max(...values)];
        const linear = linearScale(most);
        isSound(linear, values);
        assert.ok(linear.ticks.length >= 2 && linear.ticks.length <= 8);
        assert.ok(linear.ticks.at(-1)!.value >= most * 0.999999);
        isSound(logScale(least, most), values);
        isSound(percentileScale(99.9), values.map((value) => value % 100));
      },
    ),
  );
  assert.deepEqual(linearScale(7).ticks.map(({ text }) => text), [
    "0",
    "2",
    "4",
    "6",
    "8",
  ]);
  assert.deepEqual(logScale(0.02, 3).ticks.map(({ text }) => text), [
    "0.01",
    "0.1",
    "1",
    "10",
  ]);
});

test("readable: three digits, groups, millions", () => {
  const shown = [0, 0.0567891, 12.345, 1234.5, 2_345_678].map(readable);
  assert.deepEqual(shown, ["0", "0.0568", "12.3", "1,235", "2.35 M"]);
});

test("drawPlot: what is shown is text, not HTML", () => {
  const scale = linearScale(1);
  const axis = { scale, label: "<b>&" };
  const point = { x: 0, y: 1, title: '"<script>"' };
  const series = [{ name: "a", points: [point] }];
  const svg = drawPlot({ description: '">', x: axis, y: axis, series }, 320);
  assert.doesNotMatch(svg, /<b>|<script>|="">/);
  assert.match(svg, /&lt;b&gt;&amp;/);
});
