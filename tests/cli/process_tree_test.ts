import assert from "node:assert/strict";
import { processTree } from "../../src/cli/control/show.ts";
import type { ProcessEntry } from "../../src/model/model.ts";
import { test } from "../helpers/testing.ts";

function entry(
  pid: number,
  parent: number,
  state: ProcessEntry["state"],
  connection = 0,
): ProcessEntry {
  return { pid, parent, role: "connection", state, connection };
}

test("process tree: zygotes come first, then what serves, the oldest connection first", () => {
  const rows = processTree(1, [
    entry(9, 1, "ready"),
    entry(7, 3, "serving", 20),
    { ...entry(3, 1, "ready"), role: "zygote" },
    entry(8, 3, "serving", 3),
    { ...entry(2, 1, "ready"), role: "zygote" },
    entry(6, 1, "serving", 4), // adopted: its zygote has gone
    entry(0, 3, "starting", 21),
    entry(5, 3, "finished"),
  ]);
  assert.deepEqual(
    rows.map(({ branches, entry: { pid } }) => `${branches}${pid}`),
    [
      "├─ 2",
      "├─ 3",
      "│  ├─ 8",
      "│  ├─ 7",
      "│  ├─ 5",
      "│  └─ 0",
      "├─ 6",
      "└─ 9",
    ],
  );
});

test("process tree: a server without processes has none", () => {
  assert.deepEqual(processTree(1, []), []);
});
