import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { testUsage, type Wrong } from "../helpers/usage.ts";
import { runClient } from "./test_client.ts";

const WRONG: Wrong = [
  [
    ["127.0.0.1", "abc"],
    /port "abc": expected a whole number from 1 to 65535, or a name/,
  ],
  [["127.0.0.1", "-1"], /-1/],
  [["127.0.0.1", "65536"], /port "65536"/],
  [["127.0.0.1", "80.5"], /port "80\.5"/],
  [["127.0.0.1", ""], /port ""/],
  [["127.0.0.1", "0"], /port "0": expected a whole number from 1/],
  [["", "80"], /host ""/],
  [
    ["9190"],
    /host "9190": expected a host before the port, such as 127\.0\.0\.1 9190/,
  ],
  [
    ["[::1]:80"],
    /"\[::1\]:80": expected host and port as two words, such as \[::1\] 80/,
  ],
  [["127.0.0.1", "80", "more"], /too many arguments/],
  [["--wrong"], /unknown option '--wrong'/],
  [["--unix"], /'--unix <path>' needs a value/],
  [["--unix", ""], /an empty --unix/],
  [["--unix", "/tmp/socket", "127.0.0.1"], /both a host and --unix/],
  [["--prefix", "> ", "--raw"], /both --prefix and --raw/],
  [["--connect-timeout", "10"], /--connect-timeout: Cannot use duration "10"/],
  [["--idle-timeout", "10"], /--idle-timeout: Cannot use duration "10"/],
  [["--connect-timeout"], /'--connect-timeout <time>' needs a value/],
];

testUsage(["client"], WRONG);

test("client --help-all: says what it does, and how", async () => {
  const { code, stdout, stderr } = await runClient(["--help-all"]);
  assert.match(stdout, /one process receives, another one sends/);
  assert.match(stdout, /Examples:\n( {2}mpserv client .*\n){3,}/);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("client: a wrong command line leaves standard input to whoever comes next", async () => {
  const { stdout, stderr, code } = await runCommand([
    "client",
    "127.0.0.1",
    "no port",
  ], { through: ["/bin/sh", "-c", 'printf kept | { "$@"; cat; }', "sh"] });
  assert.match(stderr, /^error: .*no port.*\n$/);
  assert.deepEqual([stdout, code], ["kept", 0]);
});

test("client: a word that only looks like an option decides nothing", async () => {
  await using server = await startServer({ model: "fork" });
  const through = ["/bin/sh", "-c", 'printf "a\\nq\\nb\\n" | "$@"', "sh"];
  const to = ["127.0.0.1", String(server.port)];
  const { stdout, stderr, code } = await runCommand(
    ["client", "--prefix", "--raw", ...to],
    { through },
  );
  assert.deepEqual([stdout, stderr, code], ["--rawa\n", "", 0]);
});
