/**
 * `deno task bench`: ours and everybody else who is installed, on the same work, one after the other in
 * each round, so that whatever the machine does meets all of them. Prints a table, and keeps what each
 * run found.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { runTool } from "../../../src/cli/run.ts";
import { flag, option, or, type Values } from "../../../src/cli/options.ts";
import { command } from "../../../src/cli/command.ts";
import { killAll } from "./contestant.ts";
import { describeMachine, isBusy, loadOfOthers } from "./machine.ts";
import { clientsHere, oneShotRow } from "./one_shot.ts";
import { type Peer, peersHere } from "./peers.ts";
import {
  type Block,
  markdown,
  openBlock,
  type Results,
  type Run,
} from "./results.ts";
import { type Row, ROWS } from "./rows.ts";

const README = new URL("../README.md", import.meta.url);
/** The table stands between these lines of it. */
const PLACE = /(<!-- bench -->\n)[^]*?(<!-- \/bench -->)/;

/** Who fails so often in a row of the table is not measured in it any more: most failures are time-outs. */
const FAILURES = 2;

const list = (text: string) => text.split(",");
const number = (text: string) => Number(text);

const OPTIONS = {
  rounds: or(option("<n>", "runs of each", number), 5),
  seconds: option("<n>", "load of a run (1; with --quick: 0.3)", number),
  quick: flag("one short round, to see that everything works"),
  rows: option("<ids>", `only these: ${ids(ROWS)}, client`, list),
  peers: option("<ids>", "only these, such as fork,seed,tcpserver", list),
  json: option("<file>", "keep every run in this file", String, "file"),
  readme: flag("put the table into tests/bench/README.md as well"),
};
type Options = Values<typeof OPTIONS>;

const bench = command({
  name: "bench",
  about: "Measure mpserv and its peers on the same work.",
  operands: {},
  options: OPTIONS,
  begin: ({ options }) => () => run(options),
});

async function run(options: Options): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      killAll();
      Deno.exit(1);
    });
  }
  const directory = await Deno.makeTempDir({ prefix: "mpserv-bench-" });
  try {
    await main(await peersHere(directory), directory, options);
  } finally {
    killAll();
    await Deno.remove(directory, { recursive: true });
  }
}

async function main(
  here: Map<string, Peer>,
  directory: string,
  options: Options,
): Promise<void> {
  const { seconds, quick, rows, json, readme } = options;
  const clients = clientsHere();
  const client = oneShotRow(clients.keys(), here.get("listen")!);
  const everyone = new Map([...here, ...clients]);
  const results: Results = {
    machine: await describeMachine(directory),
    seconds: seconds ?? (quick ? 0.3 : 1),
    blocks: [],
  };
  for (const row of [...ROWS, client]) {
    if (rows && !rows.includes(row.id)) continue;
    const block = await measureRow(row, everyone, results.seconds, options);
    if (block) results.blocks.push(block);
    if (json) await Deno.writeTextFile(json, JSON.stringify(results) + "\n");
  }
  const table = markdown(results);
  await Deno.stdout.write(new TextEncoder().encode(table));
  if (readme) await intoReadme(table);
}

async function measureRow(
  row: Row,
  everyone: ReadonlyMap<string, Peer>,
  seconds: number,
  { peers, quick, rounds }: Options,
): Promise<Block | null> {
  const taking = row.peers.flatMap((id) => {
    const peer = everyone.get(id);
    return peer && (!peers || peers.includes(id)) ? [[id, peer] as const] : [];
  });
  if (taking.length === 0) return null;
  const block = openBlock(row, taking);
  const times = quick ? 1 : Math.min(rounds, row.rounds ?? rounds);
  for (let round = 0; round < times; round++) {
    // Another one begins each round: what a run leaves behind meets everybody.
    for (let i = 0; i < taking.length; i++) {
      const at = (i + round) % taking.length;
      const [id, peer] = taking[at]!;
      const { runs } = block.lines[at]!;
      if (runs.filter(({ error }) => error).length >= FAILURES) continue;
      const run = await measureOnce(row, peer, seconds);
      runs.push(run);
      progress(`${row.id} ${round + 1}/${times} ${id}: ${tell(run)}`);
    }
  }
  return block;
}

async function measureOnce(
  row: Row,
  peer: Peer,
  seconds: number,
): Promise<Run> {
  const others = await loadOfOthers();
  const about = { others: Number(others.toFixed(2)), busy: isBusy(others) };
  try {
    const values = await row.measure(peer, seconds);
    return {
      values: values.map((one) => Number(one.toPrecision(5))),
      ...about,
    };
  } catch (error) {
    return { values: [], ...about, error: (error as Error).message };
  }
}

function tell({ values, busy, error }: Run): string {
  return (error ?? values.join("  ")) + (busy ? "  (busy machine)" : "");
}

async function intoReadme(table: string): Promise<void> {
  const text = await Deno.readTextFile(README);
  if (!PLACE.test(text)) {
    throw new Error("tests/bench/README.md has no place for a table");
  }
  await Deno.writeTextFile(
    README,
    text.replace(PLACE, (_, begin, end) => `${begin}\n${table}\n${end}`),
  );
  await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", fileURLToPath(README)],
  }).output();
}

function progress(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

function ids(rows: readonly Row[]): string {
  return rows.map(({ id }) => id).join(", ");
}

await runTool(bench, Deno.args);
