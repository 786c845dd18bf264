/**
 * Command lines that are wrong, understood in this process: a real one costs a whole runtime each.
 *
 * @module
 */
import assert from "node:assert/strict";
import { understand } from "../../src/cli/run.ts";
import { outcome } from "../../src/cli/terminal.ts";
import { test } from "./testing.ts";

/** Command lines that are wrong, and what the person is told. */
export type Wrong = readonly (readonly [
  words: readonly string[],
  told: RegExp,
])[];

/** Nothing that only a programmer reads. */
const STACK_TRACE = /\bat .*:\d+:\d+|file:\/\/|Uncaught/;

/**
 * Tests that each of them is one line, and exit code 2.
 *
 * @param command The words before each, such as `serve`.
 * @param wrong The command lines.
 */
export function testUsage(command: readonly string[], wrong: Wrong): void {
  for (const [words, told] of wrong) {
    const args = [...command, ...words];
    const shown = args.map((arg) => arg || '""').join(" ");
    test(`usage: mpserv ${shown}: is one line and exit code 2`, async () => {
      const lines: string[] = [];
      const code = await outcome(
        async () => {
          await understand(args);
          return 0; // what it would do is not done
        },
        (line) => lines.push(line),
      );
      assert.equal(lines.length, 1);
      assert.match(lines[0]!, /^error: [^\n]+$/);
      assert.doesNotMatch(lines[0]!, STACK_TRACE);
      assert.match(lines[0]!, told);
      assert.equal(code, 2);
    });
  }
}
