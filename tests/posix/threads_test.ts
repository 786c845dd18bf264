import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { processInfo } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

const ignore = Deno.build.os !== "linux";

/** Runs `parking.ts`; returns what it wrote to its standard error and output. */
async function park(
  args: readonly string[],
  started: (pid: number) => Promise<void> = async () => {},
): Promise<string[]> {
  const script = fileURLToPath(new URL("parking.ts", import.meta.url));
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = process.output();
  await started(process.pid);
  const { stdout, stderr } = await output;
  return [stderr, stdout].map((bytes) => new TextDecoder().decode(bytes));
}

test(
  "threads: idle ones that were stopped for a moment are parked all the same",
  async () => {
    const said = await park([], async (pid) => {
      await until("it stops", () => processInfo(pid)?.state === "T");
      Deno.kill(pid, "SIGCONT");
    });
    assert.deepEqual(said, ["", "parked"]);
  },
  { ignore },
);

test(
  "threads: one that waits for something else, in the call that parked ones wait in, is not taken for parked",
  async () => {
    assert.deepEqual(await park(["ppoll"]), [
      "",
      "Cannot fork: the runtime's threads stay busy",
    ]);
  },
  { ignore },
);
