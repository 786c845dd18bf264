/** What `second_try_test.ts` runs alone in a process, which reaps its children: a real model after another. */
import assert from "node:assert/strict";
import { SecondTry, startModel } from "../../src/model/choose.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveNow, write } from "../../src/posix/io.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import { until } from "../helpers/testing.ts";

const CHILD: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 0,
  firstByteTimeout: 0,
  grants: [],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};
const SOCK_STREAM = 1;

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
