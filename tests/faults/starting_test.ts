/** Processes that end as soon as they are started. */
import assert from "node:assert/strict";
import type { WorkerSource } from "../../src/model/worker.ts";
import { WorkerModel } from "../../src/model/workers.ts";
import { askCredentials, socketPair } from "../../src/posix/net/sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { models, TestServer } from "../helpers/server.ts";
import { temporaryDirectory, test, until, within } from "../helpers/testing.ts";

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
      grants: [],
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
      rewound: () => {},
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

/** A module that says that it is being loaded, and never has been. */
const ENDLESS = `console.error("loading");
await new Promise(() => setInterval(() => {}, 1_000));
export default () => {};`;

for (const model of models()) {
  // Which signal it was, the parent alone knows.
  const signals = model === "spawn" ? ["SIGINT", "SIGTERM"] : ["SIGTERM"];
  for (const signal of signals as Deno.Signal[]) {
    test(`starting (${model}): ${signal} ends a server that has not begun to listen, at once, and leaves nothing of it`, async () => {
      await using directory = temporaryDirectory();
      const handler = `${directory.path}/endless.mjs`;
      await Deno.writeTextFile(handler, ENDLESS);
      const [program, ...args] = commandLine([
        ...["serve", "0", "--log-format", "json", "--model", model],
        ...["--handler", handler],
      ]);
      const process = new Deno.Command(program, {
        args,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
        env: commandEnvironment(),
        detached: true,
      }).spawn();
      await using server = new TestServer(process, model);
      await until(
        "the module is being loaded",
        () => server.log.others.includes("loading"),
      );
      server.signal(signal);
      // Whoever waited for the module would say after its time that it is still loading.
      assert.equal((await server.status).code, 0);
      await within("the end of all that wrote there", server.log.ended);
      assert.deepEqual(
        server.log.lines.map(({ message }) => message),
        [`received ${signal}`, "server ended"],
      );
      assert.deepEqual(server.log.others, ["loading"]);
    });
  }
}
