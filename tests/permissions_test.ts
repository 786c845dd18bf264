import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { abi } from "../src/posix/abi.ts";
import { test } from "./helpers/testing.ts";

test("revokePermissions: nothing is left, and a connection is still served", async () => {
  const script = fileURLToPath(new URL("./permissions.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-all", script],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  const found = JSON.parse(new TextDecoder().decode(stdout));
  assert.deepEqual(new Set(found.before), new Set(["granted"]));
  for (const state of found.after) assert.notEqual(state, "granted");
  assert.deepEqual(new Set(found.refused), new Set([true]));
  assert.deepEqual(found.outcome, {
    bytesIn: 3,
    bytesOut: 3,
    reason: "closed",
    text: "",
  });
  assert.deepEqual([found.echoed, found.errno], [3, abi.errno.EBADF]);
});
