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

test("Standstill: a look does not count in which one waited for a processor for half of it", () => {
  const waited = { a: 7, b: 0 };
  const standstill = new Standstill<"a" | "b">((key) => waited[key]);
  const look = () => Object.fromEntries(standstill.look([["a", 1], ["b", 1]]));
  assert.deepEqual(look(), { a: 0, b: 0 });
  assert.deepEqual(look(), { a: 1, b: 1 }); // what it waited before, or in between, nobody knows
  waited.a += 0.9;
  assert.deepEqual(look(), { b: 2 });
  waited.a += 0.1;
  assert.deepEqual(look(), { a: 2, b: 3 });
});
