import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { setNonblocking } from "../../src/posix/fd.ts";
import { read, write } from "../../src/posix/io.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { test, until, within } from "../helpers/testing.ts";

const { POLLIN, POLLOUT } = abi;

const byte = new Uint8Array(1);

/** A stream's two ends, non-blocking, closed at the end of the block. */
function stream(): { a: Fd; b: Fd } & Disposable {
  const [a, b] = socketPair(1);
  for (const end of [a, b]) setNonblocking(end.number, true);
  const dispose = () => [a, b].forEach((end) => end.close());
  return { a, b, [Symbol.dispose]: dispose };
}

/** Lets everything that is due happen; the watcher then waits in its poll. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A watcher that runs until the block ends. */
function running(): { watcher: Watcher } & AsyncDisposable {
  const watcher = new Watcher();
  const end = watcher.run();
  const dispose = async () => {
    watcher.stop();
    await within("the watcher's end", end);
  };
  return { watcher, [Symbol.asyncDispose]: dispose };
}

/** Watches a descriptor and reads what comes. */
function received(watcher: Watcher, { number }: Fd): Promise<number> {
  return within(
    "bytes",
    new Promise((resolve) => {
      const buffer = new Uint8Array(16);
      watcher.watch(number, POLLIN, () => {
        watcher.unwatch(number);
        resolve(read(number, buffer));
      });
    }),
  );
}

test("Watcher: calls back for what was ready before it ran", async () => {
  using ends = stream();
  write(ends.a.number, byte);
  const watcher = new Watcher();
  let events = 0;
  watcher.watch(ends.b.number, POLLIN, (ready) => {
    events = ready;
    watcher.stop();
  });
  await within("the watcher's end", watcher.run());
  assert.equal(events, POLLIN);
});

test("Watcher: calls back for a descriptor added while it waits", async () => {
  using ends = stream();
  await using run = running();
  await turn();
  const got = received(run.watcher, ends.b);
  await turn();
  write(ends.a.number, new Uint8Array(3));
  assert.equal(await got, 3);
});

test("Watcher: calls back each time while it is ready", async () => {
  using ends = stream();
  await using run = running();
  write(ends.a.number, byte);
  let calls = 0;
  const enough = Promise.withResolvers<void>();
  run.watcher.watch(ends.b.number, POLLIN, () => {
    if (++calls === 3) {
      run.watcher.unwatch(ends.b.number);
      enough.resolve();
    }
  });
  await within("three calls", enough.promise);
});

test("Watcher: calls back each descriptor for itself", async () => {
  const pairs = Array.from({ length: 20 }, stream);
  {
    await using run = running();
    const all = pairs.map(({ b }) => received(run.watcher, b));
    pairs.forEach(({ a }, i) => write(a.number, new Uint8Array(i % 15 + 1)));
    assert.deepEqual(await Promise.all(all), pairs.map((_, i) => i % 15 + 1));
  }
  for (const pair of pairs) pair[Symbol.dispose]();
});

test("Watcher: an unwatched descriptor is not called back, also when it waits already", async () => {
  using quiet = stream();
  using other = stream();
  await using run = running();
  run.watcher.watch(quiet.b.number, POLLIN, () => assert.fail("called back"));
  await turn();
  run.watcher.unwatch(quiet.b.number);
  write(quiet.a.number, byte);
  const got = received(run.watcher, other.b);
  write(other.a.number, byte);
  assert.equal(await got, 1);
});

test("Watcher: a callback may unwatch and close another that is ready in the same round", async () => {
  const pairs = [stream(), stream()];
  for (const { a } of pairs) write(a.number, byte);
  {
    await using run = running();
    let calls = 0;
    for (const { b } of pairs) {
      run.watcher.watch(b.number, POLLIN, () => {
        calls++;
        for (const pair of pairs) {
          run.watcher.unwatch(pair.b.number);
          pair.b.close();
        }
      });
    }
    using other = stream();
    const got = received(run.watcher, other.b);
    write(other.a.number, byte);
    assert.equal(await got, 1);
    assert.equal(calls, 1);
  }
  for (const pair of pairs) pair[Symbol.dispose]();
});

test("Watcher: watching again changes what it waits for", async () => {
  using ends = stream();
  await using run = running();
  run.watcher.watch(
    ends.b.number,
    POLLIN,
    () => assert.fail("nothing to read"),
  );
  await turn();
  const writable = new Promise<number>((resolve) => {
    run.watcher.watch(ends.b.number, POLLOUT, (events) => {
      run.watcher.unwatch(ends.b.number);
      resolve(events);
    });
  });
  assert.equal(await within("POLLOUT", writable), POLLOUT);
});

test("Watcher: tells a hang-up as something to read", async () => {
  using ends = stream();
  await using run = running();
  const hangUp = new Promise<number>((resolve) => {
    run.watcher.watch(ends.b.number, POLLIN, (events) => {
      run.watcher.unwatch(ends.b.number);
      resolve(events);
    });
  });
  await turn();
  ends.a.close();
  assert.equal((await within("the hang-up", hangUp)) & POLLIN, POLLIN);
});

test("Watcher: stop ends it while it waits, and before it runs", async () => {
  const waiting = new Watcher();
  const end = waiting.run();
  await turn();
  waiting.stop();
  await within("the watcher's end", end);
  const early = new Watcher();
  early.stop();
  await within("the watcher's end", early.run());
});

test("Watcher: no callback comes after stop", async () => {
  using one = stream();
  using two = stream();
  for (const { a } of [one, two]) write(a.number, byte);
  const watcher = new Watcher();
  let calls = 0;
  for (const { b } of [one, two]) {
    watcher.watch(b.number, POLLIN, () => {
      calls++;
      watcher.stop();
    });
  }
  await within("the watcher's end", watcher.run());
  assert.equal(calls, 1);
});

test("Watcher: many changes while it waits do not fill its wake-up pipe", async () => {
  using ends = stream();
  await using run = running();
  await turn();
  for (let i = 0; i < 100_000; i++) {
    run.watcher.watch(ends.b.number, POLLIN, () => {});
    run.watcher.unwatch(ends.b.number);
  }
  const got = received(run.watcher, ends.b);
  write(ends.a.number, byte);
  assert.equal(await got, 1);
});

test("Watcher: a callback that throws ends no other's watch, and is called again later", async () => {
  using bad = stream();
  using good = stream();
  const told: unknown[] = [];
  const watcher = new Watcher((error) => told.push(error));
  const end = watcher.run();
  const again = Promise.withResolvers<void>();
  let calls = 0;
  watcher.watch(bad.b.number, POLLIN, () => {
    if (++calls === 3) {
      watcher.unwatch(bad.b.number);
      again.resolve();
    }
    throw new RangeError(`thrown ${calls}`);
  });
  write(bad.a.number, byte);
  const got = received(watcher, good.b);
  write(good.a.number, byte);
  assert.equal(await got, 1);
  await within("three calls", again.promise);
  assert.deepEqual(
    told.map(String),
    [1, 2, 3].map((n) => `RangeError: thrown ${n}`),
  );
  // One that is watched anew is not left alone for what the one before it did.
  const next = received(watcher, bad.b);
  assert.equal(await next, 1);
  watcher.stop();
  await within("the watcher's end", end);
});

test("Watcher: nothing is left of a descriptor that is left alone when it is stopped", async () => {
  using bad = stream();
  write(bad.a.number, byte);
  const watcher = new Watcher(() => watcher.stop());
  watcher.watch(bad.b.number, POLLIN, () => {
    throw new RangeError("thrown by a callback");
  });
  await within("the watcher's end", watcher.run());
});

test("Watcher: a descriptor that was closed too early is told, and the others are watched", async () => {
  using good = stream();
  const told: string[] = [];
  const watcher = new Watcher((error) => told.push(String(error)));
  const end = watcher.run();
  const closed = stream();
  watcher.watch(closed.b.number, POLLIN, () => {});
  closed[Symbol.dispose]();
  await until("it is told", () => told.length > 0);
  assert.match(told[0]!, /Cannot watch descriptor \d+: it is closed/);
  const got = received(watcher, good.b);
  write(good.a.number, byte);
  assert.equal(await got, 1);
  watcher.stop();
  await within("the watcher's end", end);
});

test("Watcher: without anybody to tell, a callback that throws ends it with the error", async () => {
  using ends = stream();
  write(ends.a.number, byte);
  const watcher = new Watcher();
  watcher.watch(ends.b.number, POLLIN, () => {
    throw new RangeError("thrown by a callback");
  });
  await assert.rejects(watcher.run(), { message: "thrown by a callback" });
});
