/** The forms that the RFCs give, with the examples that they give. */
import assert from "node:assert/strict";
import {
  encodeTime,
  formatDaytime,
  pattern,
} from "../../src/service/classic.ts";
import { test } from "../helpers/testing.ts";

test("daytime: has the form of the RFC's own example", () => {
  const date = new Date(Date.UTC(1982, 1, 22, 17, 37, 43));
  // The RFC says Tuesday; that day was a Monday.
  assert.equal(formatDaytime(date), "Monday, February 22, 1982 17:37:43-UTC");
});

/** RFC 868: "the time … corresponds to" these moments. */
const MOMENTS: readonly (readonly [seconds: number, date: string])[] = [
  [2_208_988_800, "1970-01-01T00:00:00Z"],
  [2_398_291_200, "1976-01-01T00:00:00Z"],
  [2_524_521_600, "1980-01-01T00:00:00Z"],
  [2_629_584_000, "1983-05-01T00:00:00Z"],
];

for (const [seconds, date] of MOMENTS) {
  test(`time: ${date} is ${seconds}`, () => {
    const bytes = encodeTime(new Date(date));
    assert.equal(new DataView(bytes.buffer).getUint32(0), seconds);
  });
}

test("time: begins again at 0 in 2036, as 32 bits do", () => {
  assert.deepEqual([...encodeTime(new Date("2036-02-07T06:28:16Z"))], [
    0,
    0,
    0,
    0,
  ]);
});

test("chargen: begins with the line that the RFC shows first", () => {
  const [first] = new TextDecoder().decode(pattern()).split("\r\n");
  const shown =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg";
  assert.equal(first, shown);
});
