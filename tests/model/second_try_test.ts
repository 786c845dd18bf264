/** The second try to fork, on a machine that was too busy when the server started. */
import assert from "node:assert/strict";
import { SecondTry, startModel } from "../../src/model/choose.ts";
import { type ProcessModel, StartError } from "../../src/model/model.ts";
import { Progress } from "../../src/model/supervision.ts";
import { Fd } from "../../src/posix/fd.ts";
import { receiveNow, write } from "../../src/posix/io.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import { test, until } from "../helpers/testing.ts";

/** A model without processes, which notes what is asked of it. */
function played(name: string) {
  const asked: string[] = [];
  const ended = Promise.withResolvers<void>();
  const model: ProcessModel = {
    name,
    reusesProcesses: false,
    rewinding: null,
    waiting: 0,
    start: () => Promise.resolve(),
    serve: ({ id }) => asked.push(`serve ${id}`),
    withdraw: () => {},
    end: () => false,
    processes: () => [],
    askToStop: () => asked.push("stop"),
    retire: () => {
      asked.push("retire");
      ended.resolve();
    },
    kill: () => {},
    ended: () => ended.promise,
  };
  return { model, asked };
}

const connection = (id: number) => ({
  id,
  fd: new Fd(-1), // nobody looks at it
  sockaddr: new Uint8Array(0),
  lost: 0,
});

test("second try: new connections go to what could not be started at first, and a person is told", async () => {
  const [before, after] = [played("spawn"), played("fork")];
  const said: string[] = [];
  const chosen = new SecondTry(
    before.model,
    "too slow",
    () => Promise.resolve(after.model),
    { changed: (what) => said.push(what) },
    0,
  );
  chosen.model.serve(connection(1));
  assert.deepEqual([chosen.model.name, chosen.why], ["spawn", "too slow"]);
  await until("it has changed", () => said.length > 0);
  chosen.model.serve(connection(2));
  assert.deepEqual([chosen.model.name, chosen.why], ["fork", undefined]);
  assert.deepEqual(said, ["Switched to fork for new connections"]);
  assert.deepEqual(before.asked, ["serve 1", "retire"]);
  assert.deepEqual(after.asked, ["serve 2"]);
});

test("second try: it is one; where it fails all stays as it is, and a person is told why", async () => {
  const { model, asked } = played("spawn");
  const said: string[] = [];
  let tries = 0;
  const chosen = new SecondTry(
    model,
    "too slow",
    () => {
      tries++;
      return Promise.reject(new StartError("still too slow"));
    },
    { changed: (what) => said.push(what) },
    0,
  );
  await until("it is told", () => said.length > 0);
  chosen.model.serve(connection(1));
  assert.deepEqual(said, ["Staying with spawn: still too slow"]);
  assert.deepEqual([chosen.model.name, chosen.why], [
    "spawn",
    "still too slow",
  ]);
  assert.deepEqual(asked, ["serve 1"]);
  assert.equal(tries, 1);
});

for (const end of ["askToStop", "retire"] as const) {
  test(`second try: none is made when the server drains (${end})`, async () => {
    const { model } = played("spawn");
    const chosen = new SecondTry(
      model,
      "too slow",
      () => assert.fail("it was made"),
      { changed: assert.fail },
      86_400_000, // the test would end with a timer that is left
    );
    chosen.model[end]();
    chosen.model.retire();
    await chosen.model.ended();
  });
}

test("progress: a process that says nothing for too long is slow, which is no other fault", async () => {
  const progress = new Progress(0);
  progress.step("preparing to fork");
  await assert.rejects(
    () => progress.wait(),
    (error: StartError) =>
      error.failure === "slow" && /still preparing to fork/.test(error.message),
  );
});

const CHILD: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 0,
  firstByteTimeout: 0,
  grants: [],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};
const SOCK_STREAM = 1;

test(
  "second try: who is served finishes where it was, and who comes later is forked",
  async () => {
    const watcher = new Watcher();
    const watching = watcher.run();
    const pids = new Map<number, number>();
    const done: number[] = [];
    const said: string[] = [];
    const events = {
      handed: () => {},
      returned: () => {},
      started: () => {},
      zygoteEnded: () => {},
      rewound: () => {},
      took: (id: number, pid: number) => void pids.set(id, pid),
      done: (id: number) => void done.push(id),
      refused: (id: number, why: string) => said.push(`${id} refused: ${why}`),
      reaped: () => {},
      trouble: (what: string) => said.push(what),
      changed: (what: string) => said.push(what),
    };
    const start = async (model: Parameters<typeof startModel>[0]["model"]) => {
      const counts = {
        spares: 0,
        zygotes: 1,
        workers: 1,
        recycle: 0,
        rewind: "off" as const,
      };
      const options = { model, child: CHILD, ...counts };
      return (await startModel(options, watcher, events)).model;
    };
    const go = Promise.withResolvers<void>();
    const { model } = new SecondTry(
      await start("spawn"),
      "too slow",
      () => go.promise.then(() => start("fork")),
      events,
      0,
    );
    const serve = async (id: number) => {
      const [client, fd] = socketPair(SOCK_STREAM);
      const sockaddr = new Uint8Array(new Uint16Array([1, 0]).buffer); // AF_UNIX
      model.serve({ id, fd, sockaddr, lost: 0 });
      await until(`${id} is served`, () => pids.has(id));
      return client;
    };
    const echo = async (client: Fd) => {
      write(client.number, new Uint8Array([7]));
      const byte = new Uint8Array(1);
      await until("it comes back", () => receiveNow(client.number, byte) === 1);
      assert.equal(byte[0], 7);
    };
    using first = await serve(1);
    go.resolve();
    await until("it has changed", () => said.length > 0);
    assert.deepEqual(said, ["Switched to fork for new connections"]);
    using second = await serve(2);
    const parents = new Map(
      [...model.processes()].map(({ pid, parent }) => [pid, parent]),
    );
    assert.equal(parents.get(pids.get(1)!), Deno.pid);
    assert.notEqual(parents.get(pids.get(2)!), Deno.pid);
    for (const client of [first, second]) await echo(client);
    for (const client of [first, second]) client.close();
    await until("both have ended", () => done.length === 2);
    model.retire();
    await model.ended();
    watcher.stop();
    await watching;
  },
  { ignore: Deno.build.os !== "linux" },
);
