import assert from "node:assert/strict";
import { Patience } from "../../src/child/streams.ts";
import { Queue } from "../../src/model/queue.ts";
import { Countdown } from "../../src/server/countdown.ts";
import { Fd } from "../../src/posix/fd.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { startServer } from "../helpers/server.ts";
import { compileLibrary, overwrite } from "../helpers/shared_library.ts";
import { temporaryDirectory, test, within } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

const libc = cLibrary("open");

const DAY = 86_400;

test("clock: who waits for a process is not refused because the clock was set", () => {
  const refused: number[] = [];
  const queue = new Queue(
    {
      refused: (id) => refused.push(id),
      returned: () => {},
      trouble: () => {},
    },
    () => {},
    "too late",
  );
  const fd = new Fd(libc.open(new TextEncoder().encode("/dev/null\0"), 0));
  queue.add({ id: 1, fd, sockaddr: new Uint8Array(0), lost: 0 });
  const { now } = Date;
  Date.now = () => now() + 1000 * DAY;
  try {
    queue.pause("why");
  } finally {
    Date.now = now;
  }
  assert.deepEqual([refused, queue.size], [[], 1]);
  queue.close("the test is over");
});

for (const days of [-1000, 1000]) {
  test(`clock: a limit of time is neither early nor late when the clock is set by ${days} days`, async () => {
    const all = Promise.withResolvers<void>();
    const began = new Map<string, number>();
    const lasted: number[] = [];
    const countdown = new Countdown<string>(200, (key) => {
      if (lasted.push(performance.now() - began.get(key)!) === 2) all.resolve();
    });
    const start = (key: string) => {
      began.set(key, performance.now());
      countdown.start(key);
    };
    const { now } = Date;
    try {
      start("one");
      await new Promise((resolve) => setTimeout(resolve, 100));
      start("another");
      Date.now = () => now() + days * DAY * 1000;
      await within("both", all.promise);
    } finally {
      Date.now = now;
    }
    assert.ok(lasted.every((time) => time >= 199), lasted.join());
  });
}

test("clock: a client has as long for its first byte when the clock is set", () => {
  const patience = new Patience({ idleTimeout: 0, firstByteTimeout: 60_000 });
  const { now } = Date;
  try {
    for (const days of [-1000, 1000]) {
      Date.now = () => now() + days * DAY * 1000;
      const { toReceive } = patience;
      assert.ok(toReceive > 30_000 && toReceive <= 60_000, `${toReceive}`);
    }
  } finally {
    Date.now = now;
  }
});

test("clock: one that jumps ends no connection and no service", async () => {
  await using directory = temporaryDirectory();
  const library = await compileLibrary("clock_shift.c", {
    test: import.meta.url,
    directory: directory.path,
  });
  const shift = `${directory.path}/shift`;
  const set = (seconds: number) =>
    overwrite(
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
  held.close();
  await server.log.waitForCount("client disconnected...", 3);
  for (const line of server.log.where("client disconnected...")) {
    assert.equal(line.reason, "closed");
    assert.ok(Number(line.ms) >= 0 && Number(line.ms) < 120_000, `${line.ms}`);
  }
}, { ignore: missing("a clock that jumps", "gcc") });
