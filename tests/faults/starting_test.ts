/** Processes that end as soon as they are started. */
import assert from "node:assert/strict";
import type { WorkerSource } from "../../src/model/worker.ts";
import { WorkerModel } from "../../src/model/workers.ts";
import { askCredentials } from "../../src/posix/net/credentials.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { test, until } from "../helpers/testing.ts";

const pause = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test("starting: processes that end before they are ready are started less and less often", async () => {
  const launched: number[] = [];
  const ends: Promise<unknown>[] = [];
  const source: WorkerSource = {
    start: () => Promise.resolve(),
    launch(ended) {
      launched.push(performance.now());
      ends.push(pause(5).then(() => ended({ code: 1, signal: null })));
      const [channel, theirs] = socketPair();
      askCredentials(channel.number);
      theirs.close(); // nobody has it
      return {
        process: { pid: 1 << 30, parent: 1, kill: () => {}, signal: () => {} },
        channel,
      };
    },
    ready: () => true,
    punish: () => {},
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
      mustProve: false,
    },
    source,
    watcher,
    {
      handed: () => {},
      returned: () => {},
      started: () => {},
      zygoteEnded: () => {},
      took: () => {},
      done: () => {},
      refused: () => {},
      reaped: () => {},
      trouble: (what) => said.push(what),
      changed: () => {},
    },
  );
  await model.start();
  await until("it has tried five times", () => launched.length === 5);
  model.retire();
  await Promise.all(ends);
  watcher.stop();
  await watching;
  const pauses = launched.slice(1).map((at, i) => at - launched[i]!);
  const least = [50, 100, 200, 400];
  assert.ok(
    pauses.every((pause, i) => pause >= least[i]! - 1),
    `${pauses.map(Math.round)}`,
  );
  assert.equal(said[0], "A connection process exited before it was ready");
});
