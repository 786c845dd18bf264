import assert from "node:assert/strict";
import { ProcessHandle } from "../../src/posix/pidfd.ts";
import { descriptorLimit } from "../../src/posix/process.ts";
import { test } from "../helpers/testing.ts";

test("descriptorLimit: is the soft limit that the shell shows", async () => {
  const { stdout } = await new Deno.Command("/bin/sh", {
    args: ["-c", "ulimit -n"],
  }).output();
  const shown = new TextDecoder().decode(stdout).trim();
  assert.equal(
    descriptorLimit(),
    shown === "unlimited" ? Infinity : Number(shown),
  );
});

test("ProcessHandle: says whether the process is there", async () => {
  const signalProcess = (pid: number, signal: number) => {
    using process = new ProcessHandle(pid, () => true);
    return process.signal(signal);
  };
  assert.equal(signalProcess(Deno.pid, 0), true);
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const SIGKILL = 9;
  assert.equal(signalProcess(child.pid, SIGKILL), true);
  assert.equal((await child.status).signal, "SIGKILL");
  assert.equal(signalProcess(1 << 30, 0), false);
});
