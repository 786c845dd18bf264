import assert from "node:assert/strict";
import { childrenOf, processStat } from "../../src/posix/proc.ts";
import { test } from "../helpers/testing.ts";

test("processStat, childrenOf: tell of a process, whatever its name, until it is gone", async () => {
  const shell = new Deno.Command("sh", {
    args: ["-c", "printf ') Z 1 (' >/proc/$$/comm; sleep 60 & echo; wait"],
    stdout: "piped",
  }).spawn();
  const reader = shell.stdout.getReader();
  await reader.read(); // the child is there
  assert.equal(processStat(shell.pid)?.parent, Deno.pid);
  assert.notEqual(processStat(shell.pid)?.state, "Z");
  const [child, ...others] = childrenOf(shell.pid);
  assert.deepEqual(others, []);
  assert.equal(processStat(child!)?.parent, shell.pid);
  Deno.kill(child!, "SIGKILL");
  await shell.status;
  assert.deepEqual([processStat(shell.pid), childrenOf(shell.pid)], [null, []]);
  await reader.cancel();
});
