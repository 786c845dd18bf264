import assert from "node:assert/strict";
import { WaitingLine } from "../../src/model/waiting.ts";
import { Fd } from "../../src/posix/fd.ts";
import { libc } from "../../src/posix/libc.ts";
import { startServer } from "../helpers/server.ts";
import { compileLibrary } from "../helpers/shared_library.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

const DAY = 86_400;

test("clock: who waits for a process is not refused because the clock was set", () => {
  const refused: number[] = [];
  const line = new WaitingLine((id) => refused.push(id));
  const fd = new Fd(libc.open(new TextEncoder().encode("/dev/null\0"), 0));
  line.add({ id: 1, fd, peer: new Uint8Array(0), lost: 0 });
  const { now } = Date;
  Date.now = () => now() + 1000 * DAY;
  try {
    line.refuseOverdue("too late");
  } finally {
    Date.now = now;
  }
  assert.deepEqual([refused, line.size], [[], 1]);
  line.refuseAll("the test is over");
});

test("clock: one that jumps ends no connection and no service", async () => {
  await using directory = temporaryDirectory();
  const library = await compileLibrary("clock_shift.c", {
    test: import.meta.url,
    directory: directory.path,
  });
  const shift = `${directory.path}/shift`;
  const set = (seconds: number) =>
    Deno.writeFileSync(
      shift,
      new Uint8Array(new BigInt64Array([BigInt(seconds)]).buffer),
    );
  set(0);
  await using server = await startServer({
    env: { LD_PRELOAD: library, CLOCK_SHIFT: shift },
    args: ["--idle-timeout", "10m", "--max-lifetime", "1h"],
  });
  using held = await hold(server.port);
  const years: string[] = [];
  for (const seconds of [400 * DAY, -400 * DAY]) {
    set(seconds);
    const count = server.log.where("client disconnected...").length;
    (await hold(server.port)).close();
    await server.log.waitForCount("client disconnected...", count + 1);
    years.push(String(server.log.lines.at(-1)!.time).slice(0, 4));
    assert.equal(await roundTrip(held), "hello");
  }
  assert.ok(Number(years[0]) > Number(years[1]), "the clock did jump");
  assert.deepEqual(
    server.log.where("client disconnected...").map(({ reason }) => reason),
    ["closed", "closed"],
  );
}, { ignore: missing("a clock that jumps", "gcc") });
