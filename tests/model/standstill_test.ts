import assert from "node:assert/strict";
import { Standstill } from "../../src/model/supervision.ts";
import { test } from "../helpers/testing.ts";

test("Standstill: counts looks at the same, and begins anew with anything else", () => {
  const standstill = new Standstill<string>();
  const look = (...things: [string, unknown][]) =>
    Object.fromEntries(standstill.look(things));
  assert.deepEqual(look(["a", 1], ["b", 1]), { a: 0, b: 0 });
  assert.deepEqual(look(["a", 1], ["b", 2]), { a: 1, b: 0 });
  assert.deepEqual(look(["a", 1]), { a: 2 });
  assert.deepEqual(look(["a", 2], ["b", 2]), { a: 0, b: 0 }); // b was away
  assert.deepEqual(look(["a", 2], ["b", 2]), { a: 1, b: 1 });
});
