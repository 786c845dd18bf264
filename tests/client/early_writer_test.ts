import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";

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
  // Taken for the option, it would have made a writer that sends all three lines.
  assert.deepEqual([stdout, stderr, code], ["--rawa\n", "", 0]);
});
