/** A root server's children have none of root's capabilities, and no way to get them back. */
import assert from "node:assert/strict";
import { type Model, models, startServer } from "../helpers/server.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";
import { intrude, NATIVE, startNative } from "./native.ts";

const ignore = Deno.uid() !== 0;
const NONE = "0000000000000000";
const SETS = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/** The capabilities of each thread of a process, if it has any. */
function capabilities(pid: number): string[] {
  const found: string[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
    for (const set of SETS) {
      const value = new RegExp(`^${set}:\\s*(\\w+)$`, "m").exec(status)?.[1];
      if (value !== NONE) found.push(`${set} ${value}`);
    }
  }
  return found;
}

/** Of the process that serves a client which has been answered. */
async function serving(model: Model, args: readonly string[]) {
  await using server = await startServer({ model, args });
  using conn = await hold(server.port);
  assert.equal(await roundTrip(conn), "hello");
  const [child] = await server.servers();
  return capabilities(child!.pid);
}

for (const model of models()) {
  test(`capabilities (${model}): a built-in service has none`, async () => {
    assert.deepEqual(await serving(model, []), []);
  }, { ignore });

  test(
    `capabilities (${model}): nothing that was asked for beside the service leaves any`,
    async () => {
      const args = ["--umask", "077", "--nice", "-1", "--chdir", "/"];
      args.push("--sandbox", "default");
      const limits = ["--limit-files", "200", "--limit-memory", "64MB"];
      assert.deepEqual(await serving(model, [...args, ...limits]), []);
      if (model === "pool") return; // whose zygote is that of `fork`
      const left = await serving(model, ["--user", "nobody"]);
      assert.deepEqual(left, []);
    },
    { ignore },
  );

  test(
    `attack (${model}): native code in a handler of root's does not get one back, and is no more than root's files' owner`,
    async () => {
      await using directory = temporaryDirectory();
      const file = `${directory.path}/of-nobody`;
      Deno.writeTextFileSync(file, "", { mode: 0o600 });
      Deno.chownSync(file, 65534, 65534);
      await using server = await startNative(model, "--grant", "read");
      using intruder = await intrude(server);
      const pid = Number(await intruder.call("getpid"));
      assert.deepEqual(capabilities(pid), []);
      const header = [0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0];
      const all = Array(24).fill(255);
      assert.equal(await intruder.call("capset", header, all), "EPERM");
      assert.equal(await intruder.call("prctl", 28, 0, 0, 0), "EPERM"); // PR_SET_SECUREBITS
      assert.equal(await intruder.call("setuid", 1), "EPERM");
      assert.equal(await intruder.call("openat", -100, file, 0), "EACCES");
      assert.equal(await intruder.call("fchown", 2, 1, 1), "EPERM");
    },
    { ignore },
  );
}

test(
  "capabilities: --sandbox off leaves them, and so does a program",
  async () => {
    const args = ["--handler", NATIVE, "--grant", "ffi", "--sandbox", "off"];
    await using server = await startServer({ model: "spawn", args });
    using intruder = await intrude(server);
    const pid = Number(await intruder.call("getpid"));
    assert.notDeepEqual(capabilities(pid), []);
    const program = await serving("spawn", ["--", "cat"]);
    assert.notDeepEqual(program, []);
  },
  { ignore: ignore || isCompiled },
);
