/** Processes that end as soon as they are started. */
import assert from "node:assert/strict";
import type { WorkerSource } from "../../src/model/source.ts";
import { WorkerModel } from "../../src/model/workers.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { test } from "../helpers/testing.ts";

const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test("starting: processes that end before they are ready are started less and less often", async () => {
  let launched = 0;
  const ends: Promise<unknown>[] = [];
  const source: WorkerSource = {
    start: () => Promise.resolve(),
    launch(_, ended) { // nobody keeps its end of the channel
      launched++;
      ends.push(pause(5).then(() => ended({ code: 1, signal: null })));
      return { pid: 1 << 30, parent: 1, kill: () => {} };
    },
    ready: () => {},
    guard: () => {},
    processes: () => [],
    drain: () => {},
    kill: () => {},
    ended: () => Promise.resolve(),
  };
  const watcher = new Watcher();
  const watching = watcher.run();
  const said: string[] = [];
  const model = new WorkerModel(
    {
      name: "spawn",
      spares: 1,
      most: Infinity,
      recycle: 1,
      isProgram: false,
      isHandler: false,
    },
    source,
    watcher,
    {
      took: () => {},
      done: () => {},
      refused: () => {},
      reaped: () => {},
      trouble: (what) => said.push(what),
    },
  );
  await model.start();
  await pause(1_000);
  model.retire();
  await Promise.all(ends);
  watcher.stop();
  await watching;
  // Pauses of 50, 100, 200 and 400 milliseconds lie in between.
  assert.ok(launched >= 2 && launched <= 10, `${launched} in a second`);
  assert.equal(said[0], "A connection process ended before it was ready");
});
