import assert from "node:assert/strict";
import { RefusalLog } from "../../src/cli/serve/log.ts";
import { test, until } from "../helpers/testing.ts";

test("RefusalLog: tells the first at once, later ones once a second with their count, none twice", async () => {
  const told: [string, number, string][] = [];
  const log = new RefusalLog((reason, count, { peer }) =>
    told.push([reason, count, peer])
  );
  log.add("rate", { peer: "a:1" });
  assert.deepEqual(told, [["rate", 1, "a:1"]]);
  for (let i = 2; i <= 100; i++) log.add("rate", { peer: `a:${i}` });
  log.add("denied", { peer: "b:1" });
  assert.deepEqual(told.splice(0), [["rate", 1, "a:1"], ["denied", 1, "b:1"]]);
  await until("the rest is told", () => told.length > 0);
  assert.deepEqual(told.splice(0), [["rate", 99, "a:100"]]);
  log.add("rate", { peer: "a:101" });
  assert.deepEqual(told, []);
  log.flush();
  assert.deepEqual(told.splice(0), [["rate", 1, "a:101"]]);
  log.add("rate", { peer: "a:102" });
  assert.deepEqual(told, [["rate", 1, "a:102"]]); // it pauses no more
  log.flush();
  assert.equal(told.length, 1);
});
