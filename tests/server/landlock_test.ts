/** A kernel that has no Landlock: said once, and enough unless `strict` was asked for. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, roundTrip } from "../helpers/wire_client.ts";

const FILE = new URL("../helpers/under_filter.ts", import.meta.url);
const WITHOUT_LANDLOCK = [
  ...[Deno.execPath(), "run", "--quiet", "-A", fileURLToPath(FILE)],
  "without-landlock",
];

test("sandbox: without Landlock in the kernel the log says once which locks are missing, and connections are served", async () => {
  await using server = await startServer({ through: WITHOUT_LANDLOCK });
  const said = () => server.log.where("The sandbox is incomplete: ");
  assert.match(
    said()[0]!.message,
    /this kernel cannot restrict files \(Linux 5\.13\), .*TCP ports .*signals/,
  );
  for (let i = 0; i < 2; i++) {
    using conn = await connect(server.port);
    assert.equal(await roundTrip(conn), "hello");
  }
  assert.equal(said().length, 1);
});

test("sandbox: without Landlock in the kernel nothing is said of programs, which it would not lock in", async () => {
  const args = ["--", "cat"];
  await using server = await startServer({ through: WITHOUT_LANDLOCK, args });
  using conn = await connect(server.port);
  assert.equal(await roundTrip(conn), "hello");
  assert.deepEqual(server.log.where("Cannot lock"), []);
});

test("sandbox: strict without Landlock in the kernel is refused in one line", async () => {
  const { code, stderr } = await runCommand(
    ["serve", "0", "--sandbox", "strict"],
    { through: WITHOUT_LANDLOCK },
  );
  assert.match(
    stderr,
    /^error: Cannot use --sandbox strict: this kernel cannot restrict files [^\n]+: leave the option out\n$/,
  );
  assert.equal(code, 1);
});
