import assert from "node:assert/strict";
import { test } from "../helpers/testing.ts";
import { soakPage, soakText } from "./report.ts";
import { soak } from "./soak.ts";
import { STAGES } from "./stages.ts";

test("soak: a short run finds nothing wrong with a server, and all with one that is another", async () => {
  const [echo] = STAGES.filter(({ name }) => name === "spawn: echo");
  const stages = [
    { ...echo!, faults: ["kill child", "stop child"] as const },
    { ...echo!, name: "a lie", service: "plus one" as const, weight: 0.5 },
  ];
  const options = { seconds: 3, rate: 15, faults: 4, seed: 1, stages };
  const result = await soak(options, () => {});
  const [right, wrong] = result.stages;
  assert.ok(right!.ledger.ended > 10);
  assert.ok(wrong!.ledger.ended > 0);
  const lie = /^a lie: client: wrong bytes at 0/;
  assert.ok(result.problems.some((problem) => lie.test(problem)));
  for (const problem of result.problems) assert.match(problem, /^a lie: /);
  assert.match(soakText(result), /FAILED:\n {2}a lie: client: wrong bytes/);
  assert.match(soakPage(result), /<h2>spawn: echo: memory<\/h2>.*<svg/);
});
