import assert from "node:assert/strict";
import {
  earlySpawned,
  earlyZygote,
  isKeptForRuntime,
} from "../../src/model/runtime_process.ts";
import { firstProcess } from "../../src/cli/serve/start_early.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { models } from "../helpers/models.ts";
import { processTable } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

const NOT_LINUX = Deno.build.os !== "linux";

/** A file that no other test grants: tests of other files have children of the same parent. */
const MARK = "/nowhere/early_test";
const ECHO: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 0,
  firstByteTimeout: 0,
  grants: [`read=${MARK}`],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};

/** Both kinds, with the channels that the parent of one has. */
const KINDS = {
  zygote: {
    early: earlyZygote,
    take: (options: ChildOptions) => {
      const { process, channel, reports } = earlyZygote.take(options);
      return { process, channels: [channel, reports] };
    },
    name: "earlyZygote",
  },
  spawned: {
    early: earlySpawned,
    take: (options: ChildOptions) => {
      const { process, channel } = earlySpawned.take(options);
      return { process, channels: [channel] };
    },
    name: "earlySpawned",
  },
};

/** Takes or starts one, and ends it. */
async function pidOf(
  { take }: typeof KINDS[keyof typeof KINDS],
  options: ChildOptions,
): Promise<number> {
  const { process, channels } = take(options);
  for (const channel of channels) channel.close(); // it wants no more of it
  await process.status;
  return process.pid;
}

/** The process that this file has started and that has not ended; undefined when there is none. */
function ours(): number | undefined {
  return processTable().find(({ pid, parent }) =>
    parent === Deno.pid && commandLineOf(pid).includes(MARK)
  )?.pid;
}

function commandLineOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return ""; // it has ended
  }
}

for (const [what, kind] of Object.entries(KINDS)) {
  test(
    `early (${what}): the one that was started early is taken, once, by whoever has it started alike`,
    async () => {
      kind.early.start(ECHO);
      await until("it has its arguments", () => ours() !== undefined);
      const early = ours();
      const other = await pidOf(kind, { ...ECHO, grants: ["net"] });
      const told = { ...ECHO, service: { name: "time" }, idleTimeout: 5 };
      const same = await pidOf(kind, told as ChildOptions);
      const next = await pidOf(kind, ECHO);
      assert.equal(same, early);
      assert.equal(new Set([other, same, next]).size, 3);
    },
    { ignore: NOT_LINUX },
  );

  test(
    `early (${what}): one that nobody wants is ended`,
    async () => {
      kind.early.start(ECHO);
      await until("it has its arguments", () => ours() !== undefined);
      const early = ours()!;
      kind.early.end();
      await until("it is reaped", () => !isKeptForRuntime(early));
      assert.equal(ours(), undefined);
    },
    { ignore: NOT_LINUX },
  );

  test(
    `early (${what}): one that is only starting ends with the process that started it, without a word`,
    async () => {
      const { href: module } = new URL(
        "../../src/model/runtime_process.ts",
        import.meta.url,
      );
      const code = `const { ${kind.name} } = await import("${module}");
      ${kind.name}.start(${JSON.stringify(ECHO)});
      Deno.exit(7);`;
      const result = await new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", code],
      }).output(); // it has inherited standard error, and has ended when that has
      assert.equal(new TextDecoder().decode(result.stderr), "");
      assert.equal(result.code, 7);
    },
    { ignore: NOT_LINUX },
  );
}

test(
  "early: a command line says which process its server starts first, if any",
  () => {
    const { fork, spawn } = { fork: earlyZygote, spawn: earlySpawned };
    const cases: [words: string[], first: typeof fork | typeof spawn | null][] =
      [
        [[], fork],
        [["9190", "--model", "auto"], fork],
        [["--model=pool", "--service", "time"], fork],
        [["--model", "fork", "--", "cat", "--handler"], fork],
        [["--model", "fork", "--model=spawn"], spawn],
        [["--model", "spawn", "--", "env", "--model", "fork"], spawn],
        [["--model", "spawn", "--spares", "0"], null],
        [["--handler", "x.ts"], null],
        [["--handler=x.ts"], null],
        [["--grant", "env", "--", "env"], null],
        [["--help"], null],
      ];
    for (const [words, first] of cases) {
      assert.equal(firstProcess(words), first, words.join(" "));
    }
  },
);

for (const model of models()) {
  test(`early (${model}): a command that fails leaves no process`, async () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [program, ...args] = commandLine([
      ...["serve", `${taken.addr.port}`, "--model", model],
    ]);
    const process = new Deno.Command(program, {
      args,
      detached: true, // a session of its own, by which what it starts can be found
      stderr: "null",
      env: commandEnvironment(),
    }).spawn();
    assert.equal((await process.status).code, 1);
    await until(
      "nothing is left",
      // A zombie may stay: another test's model has this process inherit orphans, and reaps its own alone.
      () =>
        !processTable().some(({ session, state }) =>
          session === process.pid && state !== "Z"
        ),
    );
  });
}
