/** Where no memory can be rewound, a pool says so once, and serves; who insists on it is refused. */
import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { say } from "../helpers/handler_server.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { cannotRewind, rewinding } from "./rewinding.ts";

if (cannotRewind) {
  const reason = /Linux on x86_64 is needed/;

  test("rewind: a pool that cannot says so once, and serves", async () => {
    await using server = await startServer({ model: "pool" });
    for (const text of ["one", "two", "three"]) {
      assert.equal(await say(server.port, text), text);
    }
    assert.equal((await rewinding(server)).isOn, false);
    const told = server.log.where(/./).filter((line) =>
      reason.test(JSON.stringify(line))
    );
    assert.equal(told.length, 1);
  });

  test("rewind: --rewind on ends the start with the reason", async () => {
    const { code, stderr } = await runCommand(
      ["serve", "0", "--model", "pool", "--workers", "1", "--rewind", "on"],
    );
    assert.equal(code, 1);
    assert.match(stderr, reason);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  });
}
