import assert from "node:assert/strict";
import type { ChildOptions } from "../../src/child/options.ts";
import {
  endEarlyZygote,
  startZygote,
  startZygoteEarly,
} from "../../src/model/zygote_process.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { processTable } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

const NOT_LINUX = Deno.build.os !== "linux";

/** Milliseconds that no other test asks for: tests of other files have children of the same parent. */
const MARK = 86_399_981;
const ECHO: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: MARK,
  firstByteTimeout: 0,
  grants: [],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};

/** Starts a zygote and ends it. */
async function pidOf(options: ChildOptions): Promise<number> {
  const { process, channel, reports } = startZygote(options);
  channel.close(); // it wants no more children of it
  reports.close();
  await process.status;
  return process.pid;
}

/** The zygote that this file has started and that has not ended; undefined when there is none. */
function ours(): number | undefined {
  return processTable().find(({ pid, parent }) =>
    parent === Deno.pid && commandLineOf(pid).includes(String(MARK))
  )?.pid;
}

function commandLineOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // it has ended
  }
}

test(
  "zygote process: the one that was started early is taken, once, by whoever wants its options",
  async () => {
    startZygoteEarly(ECHO);
    const early = ours();
    const other = await pidOf({ ...ECHO, firstByteTimeout: 5 });
    const same = await pidOf({ ...ECHO });
    const next = await pidOf(ECHO);
    assert.ok(early !== undefined && same === early);
    assert.equal(new Set([other, same, next]).size, 3);
  },
  { ignore: NOT_LINUX },
);

test(
  "zygote process: one that was started early and nobody wants is ended",
  async () => {
    startZygoteEarly(ECHO);
    assert.ok(ours() !== undefined);
    endEarlyZygote();
    await until("it is gone", () => ours() === undefined);
  },
  { ignore: NOT_LINUX },
);

test("serve: a command that fails leaves no zygote", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [program, ...args] = commandLine(["serve", `${taken.addr.port}`]);
  const process = new Deno.Command(program, {
    args,
    detached: true, // a session of its own, by which what it starts can be found
    stderr: "null",
    env: commandEnvironment(),
  }).spawn();
  assert.equal((await process.status).code, 1);
  await until(
    "nothing is left",
    () => !processTable().some(({ session }) => session === process.pid),
  );
});

test(
  "zygote process: one that is only starting ends with the process that started it, without a word",
  async () => {
    const module = new URL(
      "../../src/model/zygote_process.ts",
      import.meta.url,
    );
    const code = `const { startZygote } = await import("${module}");
      startZygote(${JSON.stringify(ECHO)});
      Deno.exit(7);`;
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", code],
    }).output();
    assert.equal(new TextDecoder().decode(result.stderr), "");
    assert.equal(result.code, 7);
  },
  { ignore: NOT_LINUX },
);
