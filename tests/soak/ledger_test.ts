import assert from "node:assert/strict";
import type { LogLine } from "../helpers/log_reader.ts";
import { test } from "../helpers/testing.ts";
import { Ledger } from "./ledger.ts";
import { STAGES } from "./stages.ts";
import type { Failure } from "./visit.ts";
import { emptyTick } from "./visitors_wire.ts";

const PEER = "127.0.0.2:40000";
const [FORK] = STAGES;

function line(message: string, fields: Partial<LogLine> = {}): LogLine {
  return { level: "INFO", message, ...fields };
}

/** One connection: clients made it, and the log tells of it. */
function one(
  ledger: Ledger,
  { pid = 7, reason = "closed", failures = [] as Failure[] } = {},
): void {
  ledger.add({ ...emptyTick(), ended: 1, failures });
  ledger.hear(line("new client connected...", { peer: PEER, pid }));
  ledger.hear(line("client disconnected...", { peer: PEER, pid, reason }));
  ledger.hear(line(`removed proc id: ${pid}`));
}

function missed(mayBeKilled = true): Failure {
  return { peer: PEER, what: "ended at 3 of 4", mayBeKilled };
}

test("soak ledger: connections that all went well balance", () => {
  const ledger = new Ledger(FORK!);
  one(ledger);
  one(ledger, { reason: "reset" });
  ledger.balance();
  assert.deepEqual(ledger.problems(), []);
});

test("soak ledger: a connection that was cut is explained by the kill of its process alone", () => {
  for (const isKilled of [true, false]) {
    const ledger = new Ledger(FORK!);
    if (isKilled) ledger.strike(7);
    const reason = isKilled ? "killed: SIGKILL" : "closed";
    one(ledger, { reason, failures: [missed()] });
    ledger.balance();
    assert.equal(ledger.killed, isKilled ? 1 : 0);
    assert.equal(ledger.problems().length, isKilled ? 0 : 1);
  }
});

test("soak ledger: a client may miss a connection after the log has told of the kill", () => {
  const ledger = new Ledger(FORK!);
  ledger.strike(7);
  one(ledger, { reason: "killed: SIGKILL" });
  ledger.add({ ...emptyTick(), failures: [missed()] });
  ledger.balance();
  assert.deepEqual([ledger.killed, ledger.problems()], [1, []]);
});

test("soak ledger: wrong bytes are never explained", () => {
  const ledger = new Ledger(FORK!);
  ledger.strike(7);
  one(ledger, { reason: "killed: SIGKILL", failures: [missed(false)] });
  ledger.balance();
  assert.deepEqual(ledger.problems(), ["client: ended at 3 of 4"]);
});

test("soak ledger: a fault explains nothing a minute later", () => {
  let now = 0;
  const ledger = new Ledger(FORK!, () => now);
  ledger.strike(7);
  now = 61_000;
  one(ledger, { reason: "killed: SIGKILL" });
  assert.equal(ledger.problems().length, 1);
});

test("soak ledger: deaths and warnings that no fault explains are problems", () => {
  const ledger = new Ledger(FORK!);
  ledger.strike(5);
  const level = "WARN";
  const lines = [
    line("client refused", { level, why: "no process" }),
    line("Zygote 5 ended (SIGKILL): replacing it", { level }),
    line("Zygote 6 ended (SIGKILL): replacing it", { level }),
    line("removed proc id: 8", { signal: "SIGSEGV" }),
  ];
  for (const one of lines) ledger.hear(one);
  assert.deepEqual(ledger.problems(), [
    "log: WARN client refused: no process",
    "log: WARN Zygote 6 ended (SIGKILL): replacing it",
    "log: process 8 ended by SIGSEGV",
  ]);
});

test("soak ledger: a program may fail as its client resets, where a program serves", () => {
  const text =
    "A program exited soon after its start (exit code 1): its standard";
  const told = ["echo", "--"].map((args) => {
    const ledger = new Ledger({ ...FORK!, args: [args] });
    ledger.hear(line(text, { level: "WARN" }));
    return ledger.problems();
  });
  assert.deepEqual(told, [[`log: WARN ${text}`], []]);
});

test("soak ledger: what only one side knows of is a problem", () => {
  const made = new Ledger(FORK!);
  made.add({ ...emptyTick(), ended: 1 });
  const unended = new Ledger(FORK!);
  unended.add({ ...emptyTick(), ended: 1 });
  unended.hear(line("new client connected..."));
  const unreaped = new Ledger(FORK!);
  one(unreaped);
  unreaped.removed--;
  for (const ledger of [made, unended, unreaped]) {
    ledger.balance();
    assert.notEqual(ledger.problems().length, 0);
  }
});
