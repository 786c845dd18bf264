import assert from "node:assert/strict";
import { readGrammar } from "../../src/cli/grammar.ts";
import { runCommand } from "../helpers/command.ts";
import { test } from "../helpers/testing.ts";

/** So wide a line may be: half a wide screen, without a break in the middle of a sentence. */
const WIDEST = 130;

const { commands } = await readGrammar("mpserv");

test("help: the options of serve stand in groups, in the order in which a person meets them", async () => {
  const { stdout } = await runCommand(["serve", "--help"]);
  const headings = [...stdout.matchAll(/^(\w[\w ]*):$/gm)].map(([, it]) => it);
  assert.deepEqual(headings, [
    "Arguments",
    "Listen",
    "Process model",
    "What serves",
    "Limits of connections",
    "Limits of time",
    "Limits of processes",
    "Operation",
    "Logs",
    "Examples",
  ]);
});

for (const { name, flags, operands } of commands) {
  test(`help ${name}: each option and operand is one line that ends on screen`, async () => {
    const { stdout, code } = await runCommand([name, "--help"]);
    assert.equal(code, 0);
    const lines = stdout.split("\n");
    for (const { term, details } of flags) {
      const found = lines.filter((line) => line.startsWith(`  ${term} `));
      assert.equal(found.length, 1, term);
      assert.ok(found[0]!.endsWith(`  ${details}`), found[0]);
      assert.ok(found[0]!.length <= WIDEST, found[0]);
    }
    for (const operand of operands) {
      assert.ok(lines.some((line) => line.startsWith(`  ${operand.name} `)));
    }
  });
}

test("help: mpserv lists every command, and explains each by help, too", async () => {
  const { stdout } = await runCommand(["help"]);
  for (const { name } of commands) {
    assert.match(stdout, new RegExp(`^ {2}${name} +\\S`, "m"));
  }
  const wrong = await runCommand(["help", "sevre"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^error: Cannot use "sevre": want one of serve, /);
});
