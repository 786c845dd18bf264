import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { test } from "../helpers/testing.ts";
import { testUsage, type Wrong } from "../helpers/usage.ts";

const STACK_TRACE = /\bat .*:\d+:\d+|file:\/\/|Uncaught/;

/** Command lines that are wrong, and what the person is told. */
const WRONG: Wrong = [
  [
    ["serve", "abc"],
    /^error: Cannot use port "abc": expected a whole number from 0 to 65535/,
  ],
  [["serve", "-1"], /-1/],
  [["serve", "65536"], /port "65536": expected .* 65535$/m],
  [
    ["serve", "cat"],
    /port "cat": .*: give a program after --, a module with --handler/,
  ],
  [
    ["serve", "9190", "./handler.ts"],
    /9190, .\/handler.ts: give a program after --, a module with --handler: see/,
  ],
  [["serve", "80.5"], /port "80\.5"/],
  [["serve", ""], /port ""/],
  [
    ["serve", "8000", "more"],
    /too many arguments.*: see `mpserv serve --help`/,
  ],
  [["serve", "--idle-timout", "5s"], /'--idle-timout'.*--idle-timeout/],
  [["serve", "--unknown"], /unknown option '--unknown'/],
  [["serve", "--host"], /'--host <addr>' needs a value/],
  [["serve", "--unix"], /'--unix <path>' needs a value/],
  [
    ["serve", "--idle-timeout", "5"],
    /^error: --idle-timeout: Cannot use duration "5": expected a number and a unit/,
  ],
  [["serve", "--idle-timeout", "-5s"], /-5s/],
  [["serve", "--drain-timeout", "soon"], /duration "soon"/],
  [["serve", "--drain-timeout", "1000h"], /duration "1000h".*24 days/],
  [
    ["serve", "--backlog", "0"],
    /backlog "0": expected a whole number of at least 1/,
  ],
  [["serve", "--backlog", "many"], /backlog "many"/],
  [["serve", "--spares", "-1"], /-1/],
  [["serve", "--spares", "1.5"], /spares "1\.5"/],
  [
    ["serve", "--log-level", "loud"],
    /^error: --log-level: Cannot use "loud": expected one of debug, info, warning, error$/m,
  ],
  [["serve", "--log-format", "xml"], /xml.*text, json/],
  [["serve", "8000", "--unix", "/tmp/no.sock"], /both a port and --unix/],
  [["serve", "--host", "::1", "--unix", "/tmp/no.sock"], /--unix/],
  [["serve", "--unix", ""], /--unix/],
  [["serve", "--host", "", "0"], /host ""/],
  [["serve", "--host", "127.0.0.1:80"], /two words, such as 127\.0\.0\.1 80/],
  [["bench", "--ping", "127.0.0.1", "0"], /port "0": expected/],
  [["bench", "--ping", "--duration", "0s"], /--duration 0: give a time/],
  [
    ["serve", "--rewind", "on"],
    /Cannot use --rewind on with --model auto: give --model pool/,
  ],
  [["serve", "--rewind", "never"], /expected one of auto, on, off/],
  [["sevre"], /unknown command 'sevre'.*serve/],
  [["--unknown"], /unknown option '--unknown'/],
];

testUsage([], WRONG);

/** A handful as real processes: a line on stderr, nothing on stdout, and the exit code. */
const REAL: Wrong = [
  [["serve", "abc"], /^error: Cannot use port "abc"/],
  [["serve", "--idle-timout", "5s"], /Did you mean --idle-timeout/],
  [["status", "65536"], /port "65536": expected a whole number from 1/],
  [["sevre"], /unknown command 'sevre'.*serve/],
];

for (const [args, told] of REAL) {
  test(`usage: mpserv ${args.join(" ")}: a process says so on stderr alone`, async () => {
    const { code, stdout, stderr } = await runCommand(args);
    assert.match(stderr, /^error: [^\n]+\n$/);
    assert.match(stderr, told);
    assert.deepEqual([code, stdout], [2, ""]);
  });
}

for (
  const args of [["--help"], ["-h"], ["serve", "--help"], ["help", "serve"]]
) {
  test(`usage: mpserv ${args.join(" ")}: explains on stdout, exit code 0`, async () => {
    const run = args[0] === "--help" ? runCommand : runHere; // one as a process
    const { code, stdout, stderr } = await run(args);
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

test("usage: what nobody reads to its end is no error; what cannot be written is one", async () => {
  const shell = (redirection: string) => [
    "/bin/bash",
    "-c",
    `"$@" ${redirection}`,
    "bash",
  ];
  for (const args of [["--help"], ["man"], ["completions", "bash"]]) {
    const unread = await runCommand(args, {
      through: shell("| true; exit ${PIPESTATUS[0]}"),
    });
    assert.deepEqual(unread, { code: 0, stdout: "", stderr: "" });
    if (Deno.build.os !== "linux") continue; // nobody else has this device
    const { code, stderr } = await runCommand(args, {
      through: shell(">/dev/full"),
    });
    assert.deepEqual({ code, stderr }, {
      code: 1,
      stderr:
        "error: Cannot write to standard output: no space left on device (ENOSPC)\n",
    });
  }
});

test(
  "usage: the exit code is right even where nobody can be told why",
  async () => {
    const { code } = await runCommand(["serve", "abc"], {
      through: ["/bin/sh", "-c", 'exec "$@" 2>/dev/full', "sh"],
    });
    assert.equal(code, 2);
  },
  { ignore: Deno.build.os !== "linux" },
);

test("usage: mpserv alone: shows the commands on stderr, exit code 2", async () => {
  const { code, stdout, stderr } = await runCommand([]);
  assert.match(stderr, /Usage: mpserv[^]*\bserve\b/);
  assert.doesNotMatch(stderr, STACK_TRACE);
  assert.deepEqual([code, stdout], [2, ""]);
});
