import assert from "node:assert/strict";
import { processInfo } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

test(
  "threads: idle ones that were stopped for a moment are parked all the same",
  async () => {
    const script = new URL("parking.ts", import.meta.url).pathname;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--no-check", script],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const output = process.output();
    await until("it stops", () => processInfo(process.pid)?.state === "T");
    Deno.kill(process.pid, "SIGCONT");
    const { stdout, stderr } = await output;
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.deepEqual([text(stderr), text(stdout)], ["", "parked"]);
  },
  { ignore: Deno.build.os !== "linux" },
);
