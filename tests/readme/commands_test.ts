/** Every command that the documents show is run, here or by the test that this file names. */
import assert from "node:assert/strict";
import { controlled, controlPath } from "../control/helpers.ts";
import { runCommand } from "../helpers/command.ts";
import type { Block } from "../helpers/readme.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import {
  connect,
  exchange,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { halfCloses, stands, starts, talks, watches } from "./first_steps.ts";
import { blocks, commandsOf, optionsOf, shell } from "./shown.ts";

/** How a block is run: here, or why not and where. */
type Run = ((commands: string[]) => Promise<void>) | string;

/** Blocks of commands by the words that their first command begins with. */
const RUNS: Readonly<Record<string, Run>> = {
  "npx -y deno@2.9.6 task serve": starts,
  "npx -y deno@2.9.6 task --quiet client": talks,
  "alias mpserv=": stands,
  "ps -eo": watches,
  "ss -tnp '( sport = :9190": watches,
  "mpserv serve 9191 -- sh": halfCloses,
  "ss -tnp '( sport = :9191": "tests/readme/commands_test.ts", // the last one's
  "mpserv serve --max-connections": admits,
  "mpserv page": "tests/page/",
  "mpserv status": looks,
  "mpserv serve 9190 --take-over": takesOver,
  "source <(mpserv completions": completes,
  "mpserv bench --ping": benches,
  "mpserv bench --compare": "tests/bench/compare_test.ts",
  "mpserv serve 9192 --handler": "tests/readme_test.ts",
  "mpserv serve 9195 --handler": "tests/readme_test.ts",
  "echo 'Make each program": "tests/readme_test.ts",
  "mkdir www": "tests/readme_test.ts",
  "OTEL_DENO=true": "tests/cli/metrics_test.ts",
  "sh install.sh": "tests/release/",
  "deno task --quiet release": "tests/release/",
  "mpserv serve 9190 --host": serves,
  "systemd-socket-activate": "tests/server/systemd/",
  "sudo install":
    "needs a machine to install on: the units are run by tests/readme/units_test.ts",
  "docker build":
    "needs a container engine: the page says that it was not tried",
};

function runOf(block: Block): Run | undefined {
  const [first = ""] = commandsOf(block);
  return Object.entries(RUNS).find(([words]) => first.startsWith(words))?.[1];
}

async function admits([command = ""]: string[]): Promise<void> {
  // Long enough for the refused to come in time.
  const args = optionsOf(command).map((word) => word === "2s" ? "6s" : word);
  await using server = await startServer({ args });
  using _first = await hold(server.port);
  using _second = await hold(server.port);
  for (let i = 0; i < 3; i++) {
    using refused = await connect(server.port);
    const text = new TextDecoder().decode(await receiveAll(refused));
    assert.equal(text, "503 busy\r\n");
  }
  await server.log.waitFor(/^client disconnected/); // at the end of its lifetime
  await server.stop();
  const { accepted, served, refused } = await server.log.waitFor(
    /^server ended/,
  );
  assert.deepEqual([accepted, served, refused], [5, 2, 3]);
}

async function looks(commands: string[]): Promise<void> {
  await using server = await startServer({ model: "fork" });
  using ended = await connect(server.port);
  await exchange(ended, new TextEncoder().encode("hello\n"));
  const one = await hold(server.port);
  using _two = await hold(server.port); // connection 3, which is dropped
  const three = await hold(server.port);
  await server.log.waitFor(/^removed proc id/);
  await server.log.waitForCount("new client connected...", 4);
  await controlled(controlPath(server));
  const shown: string[] = [];
  for (const command of commands) {
    const [, name = "", ...rest] = command.split(" ");
    const args = name === "drop" ? ["3", ...rest.slice(1)] : rest;
    const own = [name, ...args.filter((word) => !word.startsWith("--"))];
    if (name === "drain") [one, three].forEach((conn) => conn.close());
    const result = await runCommand([
      ...own,
      `${server.port}`,
      ...args.filter((word) => word.startsWith("--")),
    ]);
    assert.equal(result.code, 0, `${command}: ${result.stderr}`);
    shown.push(result.stdout);
  }
  assert.match(shown[0]!, /accepted 4 +served 4 +active 3 +waiting 0/);
  assert.equal(shown[1]!.trim().split("\n").length, 4);
  assert.match(shown[2]!, /^dropping connection 3 of 127\.0\.0\.1:\d+\n/);
}

async function takesOver([command = ""]: string[]): Promise<void> {
  await using first = await startServer();
  using held = await hold(first.port);
  await controlled(controlPath(first));
  await using second = await startServer({
    port: `${first.port}`,
    args: optionsOf(command),
  });
  await second.log.waitFor(/^taken over/);
  assert.equal(await roundTrip(held), "hello");
}

async function serves([command = ""]: string[]): Promise<void> {
  await using server = await startServer({ args: optionsOf(command) });
  using stranger = await connect(server.port); // none of these proxies
  assert.equal((await receiveAll(stranger)).length, 0);
}

async function completes(commands: string[]): Promise<void> {
  for (const command of commands) {
    if (missing("README.md", command.startsWith("source") ? "bash" : "man")) {
      continue;
    }
    const { code, stdout } = await shell(
      "bash",
      command.replace("| source", "| cat").replace(
        /^source (.*)$/,
        "source $1 && echo sourced",
      ),
    );
    assert.equal(code, 0, command);
    assert.ok(stdout.length > 0, command);
  }
}

async function benches([command = ""]: string[]): Promise<void> {
  await using server = await startServer({ model: "fork" });
  const [, , ...options] = command.split(" ");
  const result = await runCommand([
    "bench",
    "127.0.0.1",
    `${server.port}`,
    ...options,
  ]);
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /round trips +[\d,]+, [\d,]+ a second/);
}

const played = new Set<string>(); // what both files show is run once
for (const block of blocks) {
  const play = runOf(block);
  const commands = commandsOf(block);
  if (typeof play !== "function" || played.has(commands.join("\n"))) continue;
  played.add(commands.join("\n"));
  test(
    `${block.file}: \`${commands[0]}\` does what it shows`,
    () => play(commands),
  );
}

test("documents: every block of commands is run, here or where this file says", () => {
  for (const block of blocks) {
    const run = runOf(block);
    assert.ok(
      run,
      `${block.file}:${block.line} is run by nobody: ${block.text}`,
    );
    if (typeof run !== "string" || run.startsWith("needs ")) continue;
    assert.ok(Deno.statSync(new URL(`../../${run}`, import.meta.url)), run);
  }
});
