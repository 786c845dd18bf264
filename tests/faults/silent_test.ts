/** Processes that never report: what they were handed goes to others. */
import assert from "node:assert/strict";
import { StuckWatch } from "../../src/model/stuck.ts";
import type { Worker } from "../../src/model/worker.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveNow } from "../../src/posix/io.ts";
import { socketPair } from "../../src/posix/sockets.ts";
import { killNow, models, startServer } from "../helpers/server.ts";
import { compileLibrary, overwrite } from "../helpers/shared_library.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { connect, hold, roundTrip } from "../helpers/wire_client.ts";

/** No more processes than needed: each that is stopped costs five seconds. */
const FEW: Readonly<Record<string, string[]>> = {
  fork: ["--zygotes", "1"],
  pool: ["--workers", "2"],
};

for (const model of models()) {
  test(`silent (${model}): connections that were handed to stopped processes are served by others`, async () => {
    await using server = await startServer({ model, args: FEW[model] ?? [] });
    (await hold(server.port)).close();
    const stopped = await server.waiting();
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

for (const model of models().filter((model) => model !== "spawn")) {
  test(
    `silent (${model}): a forked child that hangs before it says a word is ended, its zygote is not, and another serves`,
    async () => {
      await using directory = temporaryDirectory();
      const flag = `${directory.path}/flag`;
      const hangChildren = (wanted: boolean) =>
        overwrite(flag, new TextEncoder().encode(wanted ? "10" : "00"));
      hangChildren(false);
      const library = await compileLibrary("hang_after_fork.c", {
        test: import.meta.url,
        directory: directory.path,
        macros: { FLAG: flag },
      });
      const handler = `${directory.path}/handler.mjs`;
      Deno.writeTextFileSync(
        handler,
        `export const library = Deno.dlopen(${JSON.stringify(library)}, {});
         export default ({ readable, writable }) => readable.pipeTo(writable);`,
      );
      await using server = await startServer({
        model,
        args: [...FEW[model]!, "--handler", handler, "--grant", "ffi"],
      });
      const zygotes = () =>
        server.children().filter(({ comm, parent }) =>
          comm === "mpserv:zygote" && parent === server.pid
        ).map(({ pid }) => pid);
      using held = await hold(server.port);
      const born = () =>
        server.children().filter(({ comm }) => comm === "mpserv:conn");
      const workers = model === "pool" ? 2 : 1;
      await until("all are there", () => born().length === workers);
      const serving = await server.processOf(held);
      const before = zygotes();
      const haveOneHang = async () => {
        hangChildren(true);
        for (const { pid } of born()) if (pid !== serving) killNow(pid);
        const conn = await connect(server.port);
        await until(
          "a child hangs",
          () => Deno.readTextFileSync(flag) === "11",
        );
        return conn;
      };
      const conn = await haveOneHang();
      const answer = roundTrip(conn);
      hangChildren(false);
      assert.equal(await answer, "hello");
      assert.equal(await roundTrip(held), "hello");
      await server.log.waitFor(/^Process \d+ has said nothing for 5 s/);
      assert.deepEqual(zygotes(), before);
      assert.equal(server.log.where("client refused").length, 0);
      conn.close();
      using _last = await haveOneHang(); // and the server ends all the same
    },
    { ignore: missing("children that hang", "gcc") },
  );
}

/** A worker that is as a test says, and its own end of its channel. */
function worker(
  state: Worker["state"],
  pid: number,
): { made: Worker; theirs: Fd } {
  const [ours, theirs] = socketPair();
  const process = {
    pid,
    parent: 1,
    kill: (signal: string) => killed.push(`${signal} ${pid}`),
  };
  const made = { process, channel: ours, state, handoff: null, served: 0 };
  return { made, theirs };
}
const killed: string[] = [];

test("silent: who does not become ready for a minute is ended, who waits is not", () => {
  const starting = worker("starting", 7), unborn = worker("starting", 0);
  const others = [worker("ready", 8), worker("serving", 9)];
  const said: string[] = [];
  const trouble = (what: string) => said.push(what);
  const all = [starting, unborn, ...others];
  const watch = new StuckWatch(all.map(({ made }) => made), { trouble });
  for (let seconds = 0; seconds < 60; seconds++) watch.look();
  assert.deepEqual(said, []);
  watch.look();
  assert.deepEqual(said, [
    "Process 7 has said nothing for 60 s: it is ended",
    "A process has said nothing for 60 s: it is ended",
  ]);
  assert.deepEqual(killed, ["SIGKILL 7"]);
  // Whose pid nobody knows yet is shown the end of its channel.
  const ended = all.map(({ theirs }) =>
    receiveNow(theirs.number, new Uint8Array(1)) === 0
  );
  assert.deepEqual(ended, [false, true, false, false]);
  watch.close();
  for (const { made, theirs } of all) {
    made.channel.close();
    theirs.close();
  }
});
