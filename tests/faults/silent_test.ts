/** Processes that never report: what they were handed goes to others. */
import assert from "node:assert/strict";
import { StuckWatch } from "../../src/model/stuck.ts";
import type { Worker } from "../../src/model/worker.ts";
import { socketPair } from "../../src/posix/sockets.ts";
import { models, startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

const WAITING = ["mpserv:conn", "mpserv:zygote"];
/** No more processes than needed: each that is stopped costs five seconds. */
const FEW: Readonly<Record<string, string[]>> = {
  fork: ["--zygotes", "1"],
  pool: ["--workers", "2"],
};

for (const model of models()) {
  test(`silent (${model}): connections that were handed to stopped processes are served by others`, async () => {
    await using server = await startServer({ model, args: FEW[model] ?? [] });
    (await hold(server.port)).close();
    await server.isQuiet();
    await until("processes wait", () => {
      const children = server.children();
      return children.length > 0 &&
        children.every(({ comm, state }) =>
          WAITING.includes(comm) && state === "S"
        );
    });
    const stopped = server.children().map(({ pid }) => pid);
    for (const pid of stopped) Deno.kill(pid, "SIGSTOP");
    const holds = [hold(server.port), hold(server.port)];
    // The zygote of a pool has nothing to do while its workers are there, and may be stopped.
    const zygotes = model === "pool"
      ? server.children().filter(({ comm }) => comm === "mpserv:zygote")
      : [];
    for (const { pid } of zygotes) Deno.kill(pid, "SIGCONT");
    for (const conn of await Promise.all(holds)) {
      assert.equal(await roundTrip(conn), "hello");
      conn.close();
    }
    await server.log.waitFor(
      /^(Process \d+ has said nothing|Zygote \d+ has not forked) for 5 s/,
    );
    assert.equal(server.log.where("client refused").length, 0);
  });
}

/** A worker that is as a test says. */
function worker(state: Worker["state"], pid: number): Worker {
  const [ours, theirs] = socketPair();
  theirs.close();
  const process = {
    pid,
    parent: 1,
    kill: (signal: string) => killed.push(`${signal} ${pid}`),
  };
  return { process, channel: ours, state, handoff: null, served: 0 };
}
const killed: string[] = [];

test("silent: who does not become ready for a minute is ended, who waits is not", () => {
  const starting = worker("starting", 7), unborn = worker("starting", 0);
  const others = [worker("ready", 8), worker("serving", 9)];
  const said: string[] = [];
  const trouble = (what: string) => said.push(what);
  const all = [starting, unborn, ...others];
  const watch = new StuckWatch(all, { trouble });
  for (let seconds = 0; seconds < 60; seconds++) watch.look();
  assert.deepEqual(said, []);
  watch.look();
  assert.deepEqual(said, [
    "Process 7 has said nothing for 60 s: it is ended",
    "A process has said nothing for 60 s: it is ended",
  ]);
  assert.deepEqual(killed, ["SIGKILL 7"]);
  watch.close();
  for (const { channel } of all) channel.close();
});
