import assert from "node:assert/strict";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { descendants, processTable } from "../helpers/processes.ts";
import { MODELS } from "../helpers/models.ts";
import { models, TestServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** Words that make what follows process 1 of a namespace of its own, as in a container. */
const ALONE = ["unshare", "--mount-proc", "--pid", "--fork", "--kill-child"];

/** Whether such namespaces cannot be made here. */
async function isForbidden(): Promise<boolean> {
  if (missing("process 1", "unshare")) return true;
  const [program, ...args] = ALONE as [string, ...string[]];
  const { success } = await new Deno.Command(program, {
    args: [...args, "true"],
    stderr: "null",
  }).output();
  if (success) return false;
  const line = "SKIPPED: process 1: no namespaces for this user\n";
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return true;
}

const options = { ignore: await isForbidden() };

for (const model of models().filter((model) => model !== "pool")) {
  test(`process 1 (${model}): reaps what programs leave behind`, async () => {
    const leaver = ["sh", "-c", "sleep 0.3 & exec cat"];
    const [program, ...args] = [
      ...ALONE,
      ...commandLine(["serve", "0", ...MODELS[model]!.few.args]),
      ...["--log-format", "json"],
      "--",
      ...leaver,
    ] as [string, ...string[]];
    const process = new Deno.Command(program, {
      args,
      env: commandEnvironment(),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      detached: true,
    }).spawn();
    await using server = new TestServer(process, model);
    const { address, pid } = await server.log.waitFor(/^listening on /);
    assert.equal(pid, 1);
    const first = processTable().find(({ parent }) => parent === server.pid)!;
    {
      using conn = await connect(Number(String(address).split(":")[1]));
      const bytes = new TextEncoder().encode("hello");
      assert.deepEqual(await exchange(conn, bytes), bytes);
    }
    await server.log.waitFor("client disconnected...");
    await until(
      "nothing is left of it, nor a zombie",
      () =>
        descendants(first.pid).every(({ comm, state }) =>
          comm !== "sleep" && state !== "Z"
        ),
    );
    Deno.kill(first.pid, "SIGTERM");
    assert.equal((await server.exit()).code, 0);
  }, options);
}
