import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "../helpers/testing.ts";

test("posix: leaves no descriptor open", async () => {
  const script = fileURLToPath(new URL("./leaks.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", "--allow-net", script],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  const grown = JSON.parse(new TextDecoder().decode(stdout));
  const none = Object.keys(grown).map((name) => [name, 0]);
  assert.ok(none.length >= 5);
  assert.deepEqual(grown, Object.fromEntries(none));
});
