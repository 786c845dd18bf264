import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { test } from "../helpers/testing.ts";

/** Exactly one line, and nothing that only a programmer reads. */
const ONE_LINE = /^error: [^\n]+\n$/;
const STACK_TRACE = /\bat .*:\d+:\d+|file:\/\/|Uncaught/;

/** Command lines that are wrong, and what the person is told. */
const WRONG: readonly (readonly [args: string[], told: RegExp])[] = [
  [["serve", "abc"], /port "abc": want a whole number from 0 to 65535/],
  [["serve", "-1"], /-1/],
  [["serve", "65536"], /port "65536"/],
  [["serve", "80.5"], /port "80\.5"/],
  [["serve", ""], /port ""/],
  [["serve", "8000", "more"], /too many arguments/],
  [["serve", "--idle-timout", "5s"], /'--idle-timout'.*--idle-timeout/],
  [["serve", "--unknown"], /unknown option '--unknown'/],
  [["serve", "--host"], /'--host <addr>' argument missing/],
  [["serve", "--unix"], /'--unix <path>' argument missing/],
  [["serve", "--idle-timeout", "5"], /duration "5": want a number and a unit/],
  [["serve", "--idle-timeout", "-5s"], /-5s/],
  [["serve", "--drain-timeout", "soon"], /duration "soon"/],
  [["serve", "--drain-timeout", "1000h"], /duration "1000h".*24 days/],
  [
    ["serve", "--backlog", "0"],
    /backlog "0": want a whole number of at least 1/,
  ],
  [["serve", "--backlog", "many"], /backlog "many"/],
  [["serve", "--spares", "-1"], /-1/],
  [["serve", "--spares", "1.5"], /spares "1\.5"/],
  [["serve", "--log-level", "loud"], /loud.*debug, info, warning, error/],
  [["serve", "--log-format", "xml"], /xml.*text, json/],
  [["serve", "8000", "--unix", "/tmp/no.sock"], /both a port and --unix/],
  [["serve", "--host", "::1", "--unix", "/tmp/no.sock"], /--unix/],
  [["serve", "--unix", ""], /--unix/],
  [["serve", "--host", "", "0"], /host/],
  [["sevre"], /unknown command 'sevre'.*serve/],
  [["--unknown"], /unknown option '--unknown'/],
];

for (const [args, told] of WRONG) {
  const shown = args.map((arg) => arg || '""').join(" ");
  test(`usage: mpserv ${shown}: is one line on stderr and exit code 2`, async () => {
    const { code, stdout, stderr } = await runCommand(args);
    assert.match(stderr, ONE_LINE);
    assert.doesNotMatch(stderr, STACK_TRACE);
    assert.match(stderr, told);
    assert.deepEqual([code, stdout], [2, ""]);
  });
}

for (
  const args of [["--help"], ["-h"], ["serve", "--help"], ["help", "serve"]]
) {
  test(`usage: mpserv ${args.join(" ")}: explains on stdout, exit code 0`, async () => {
    const { code, stdout, stderr } = await runCommand(args);
    assert.match(stdout, /^Usage: mpserv/);
    assert.match(
      stdout,
      args.includes("serve") ? /--idle-timeout/ : /\bserve\b/,
    );
    assert.deepEqual([code, stderr], [0, ""]);
  });
}

test("usage: mpserv --version: says the versions on stdout, exit code 0", async () => {
  const { code, stdout, stderr } = await runCommand(["--version"]);
  assert.match(stdout, /^mpserv \d+\.\d+\.\d+ \(Deno \d[^\n]*\)\n$/);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("usage: mpserv alone: shows the commands on stderr, exit code 2", async () => {
  const { code, stdout, stderr } = await runCommand([]);
  assert.match(stderr, /Usage: mpserv[^]*\bserve\b/);
  assert.doesNotMatch(stderr, STACK_TRACE);
  assert.deepEqual([code, stdout], [2, ""]);
});
