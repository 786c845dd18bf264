import assert from "node:assert/strict";
import {
  cut,
  showAge,
  showBytes,
  showCounts,
  table,
} from "../../src/cli/control/show.ts";
import { test } from "../helpers/testing.ts";

test("show: ages have the two units that say most", () => {
  const [s, m, h, d] = [1000, 60_000, 3_600_000, 86_400_000];
  const ages: [number | null, string][] = [
    [null, "-"],
    [0, "0.0s"],
    [999, "0.9s"],
    [s, "1s"],
    [59.9 * s, "59s"],
    [3 * m + 5 * s, "3m05s"],
    [2 * h + 7 * m + 59 * s, "2h07m"],
    [4 * d + h, "4d01h"],
  ];
  for (const [age, text] of ages) assert.equal(showAge(age), text);
});

test("show: bytes are in powers of 1024, in five characters at most", () => {
  const sizes: [number | null, string][] = [
    [null, "-"],
    [0, "0"],
    [999, "999"],
    [1000, "1.0K"],
    [1536, "1.5K"],
    [64 * 1024 ** 2, "64M"],
    [1023 * 1024 ** 3, "1.0T"],
    [5 * 1024 ** 5, "5.0P"],
  ];
  for (const [bytes, text] of sizes) assert.equal(showBytes(bytes), text);
});

test("show: counts of nothing are left out", () => {
  assert.equal(
    showCounts({ closed: 12, idle: 0, reset: 1 }),
    "closed 12, reset 1",
  );
  assert.equal(showCounts({ closed: 0 }), "none");
});

test("show: a line is cut to columns, not to characters", () => {
  assert.equal(cut("연결 하나", 9), "연결 하나");
  assert.equal(cut("연결 하나", 8), "연결 하");
  assert.equal(cut("연결 하나", 7), "연결 하");
  assert.equal(cut("e\u0301a", 1), "e\u0301");
  assert.equal(cut("👩‍👩‍👧x", 2), "👩‍👩‍👧");
  assert.equal(cut("abc", 0), "");
  assert.equal(cut("a\u001b[31m\nb", 99), "a\\u001b[31m\\u000ab");
});

test("show: a table's columns are as wide as what is in them", () => {
  const columns = [{ title: "ID", isNumber: true }, { title: "PEER" }, {
    title: "X",
  }];
  assert.deepEqual(
    table(columns, [["1", "서버", "a"], ["100", "x", ""]]),
    [" ID  PEER  X", "  1  서버  a", "100  x"],
  );
});
