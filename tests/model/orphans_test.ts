import assert from "node:assert/strict";
import { test } from "../helpers/testing.ts";
import { runAlone } from "./alone.ts";

test(
  "orphans: whose zygote has not been reaped are not given up with those of another",
  async () => {
    const { stdout, stderr } = await runAlone("orphans.ts");
    assert.equal(stderr, "");
    const [one, other] = [2 ** 30, 2 ** 30 + 1];
    assert.deepEqual(JSON.parse(stdout), {
      first: [one],
      settled: [one, other],
    });
  },
  { ignore: Deno.build.os !== "linux" },
);
