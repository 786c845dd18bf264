import assert from "node:assert/strict";
import { test } from "../helpers/testing.ts";

test(
  "orphans: whose zygote has not been reaped are not given up with those of another",
  async () => {
    const script = new URL("orphans.ts", import.meta.url).pathname;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--no-check", script],
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    const [one, other] = [2 ** 30, 2 ** 30 + 1];
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
      first: [one],
      settled: [one, other],
    });
  },
  { ignore: Deno.build.os !== "linux" },
);
