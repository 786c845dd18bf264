import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** Words that leave out the word `serve` of a command line. */
const THROUGH = [
  "/bin/sh",
  "-c",
  'for word; do shift; [ "$word" = serve ] || set -- "$@" "$word"; done; exec "$@"',
  "sh",
];

for (const args of [[], ["--", "cat"]]) {
  test(`usage: mpserv ${["PORT", ...args].join(" ")}: serves, as the seed's command line does`, async () => {
    await using server = await startServer({ args, through: THROUGH });
    using conn = await connect(server.port);
    const bytes = await exchange(conn, new TextEncoder().encode("hello\n"));
    assert.equal(new TextDecoder().decode(bytes), "hello\n");
  });
}

test("usage: mpserv 65536: is told as a port", async () => {
  const { stderr, code } = await runCommand(["65536"]);
  assert.match(stderr, /^error: Cannot use port "65536": expected [^\n]+\n$/);
  assert.equal(code, 2);
});
