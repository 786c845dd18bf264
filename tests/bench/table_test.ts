import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test, until } from "../helpers/testing.ts";
import {
  descendants,
  processTable,
  serverSockets,
} from "../helpers/processes.ts";
import { temporaryDirectory } from "../helpers/testing.ts";
import { Contestant } from "./table/contestant.ts";
import { markdown, type Results, type Run } from "./table/results.ts";

const SCRIPT = fileURLToPath(new URL("table/main.ts", import.meta.url));

test("deno task bench: measures who is asked for, and leaves table, runs and no process", async () => {
  await using directory = temporaryDirectory();
  const json = `${directory.path}/results.json`;
  const short = ["--quick"];
  const args = [...short, "--rows", "ping64,client", "--json", json];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", SCRIPT, ...args, "--peers", "pool,listen,client"],
    stdin: "null",
  }).output();
  const [table, told] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  assert.equal(code, 0, told);
  assert.match(
    table!,
    /round trip of 64 bytes, p50, µs \| mpserv `pool`, rewound \| \d/,
  );
  assert.match(table!, /\| {2}\| `Deno\.listen`, one process \| \d.*\| \d/);
  assert.match(table!, /start to end, ms \| `mpserv client --raw` \| \d/);
  const results: Results = JSON.parse(await Deno.readTextFile(json));
  const runs = results.blocks.flatMap(({ lines }) =>
    lines.flatMap(({ runs }) => runs)
  );
  assert.deepEqual(runs.map(({ error }) => error), runs.map(() => undefined));
  assert.deepEqual(runs.map(({ values }) => values.length), [2, 2, 1]);
});

test("deno task bench: ends every process of a server, also those that do not listen to signals", async () => {
  const script =
    "trap '' TERM; (trap '' TERM; setsid sleep 1000) & sleep 1000 & wait";
  const contestant = Contestant.launch(() => ["/bin/sh", "-c", script]);
  const { pid } = contestant;
  const sleeps = () => descendants(pid).filter(({ comm }) => comm === "sleep");
  await until("it has started them", () => sleeps().length === 2);
  assert.ok(sleeps().some(({ session }) => session !== pid));
  const pids = [pid, ...descendants(pid).map((one) => one.pid)];
  contestant.kill();
  await contestant[Symbol.asyncDispose]();
  await until(
    "they are gone",
    () =>
      processTable().every(({ pid, state }) =>
        state === "Z" || !pids.includes(pid)
      ),
  );
  assert.equal(serverSockets(contestant.port).listening.size, 0);
});

test("deno task bench: shows medians, spread, ratios, doubtful and failed runs", () => {
  const run = (...values: number[]): Run => ({
    values,
    others: 0,
    busy: false,
  });
  const failed = { ...run(), error: "timed out" };
  const text = markdown({
    machine: {
      date: "2026-11-23",
      processor: "A",
      cores: 2,
      kernel: "6",
      costs: { fork: 71.52, execve: 412.4 },
      versions: { Deno: "2" },
    },
    seconds: 2,
    blocks: [{
      id: "fresh",
      figures: [{ title: "connections/s" }],
      lines: [
        { id: "a", name: "ours", runs: [run(3000), run(1000), run(2000)] },
        {
          id: "b",
          name: "theirs",
          runs: [run(400), { ...run(1200), busy: true }, failed],
        },
        { id: "c", name: "none", runs: [failed] },
        { id: "d", name: "known", fails: "loses connections", runs: [failed] },
      ],
    }],
  });
  const table = text.split("\n").filter((line) => line.startsWith("|"));
  assert.deepEqual(table.slice(2), [
    "| connections/s | ours | 2,000 | 1,000 – 3,000 |  |",
    "|  | theirs | 800 | 400 – 1,200 ! 1 of 3 failed | 2.5 |",
    "|  | none | failed | 1 of 1 failed |  |",
    "|  | known | loses connections | 1 of 1 failed |  |",
  ]);
  const [before] = text.split("| what |");
  assert.match(before!, /fork` and its end 71\.5 µs.*`\/bin\/true` 412 µs/);
  assert.match(text, /^- fresh, theirs: timed out$/m);
});
