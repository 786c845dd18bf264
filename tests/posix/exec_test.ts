import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "../helpers/testing.ts";

test("ProgramImage.become: nothing of the runtime's needs memory once that is limited", async () => {
  const script = fileURLToPath(new URL("./becomes.ts", import.meta.url));
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", script],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(new TextDecoder().decode(stdout), "8192\n16\n");
});
