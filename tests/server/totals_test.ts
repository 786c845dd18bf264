import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type ConnectionInfo,
  REFUSAL_REASONS,
  Totals,
  type TotalsSnapshot,
} from "../../src/server/events.ts";
import { REASONS } from "../../src/wire/records.ts";
import { test } from "../helpers/testing.ts";

const live: ConnectionInfo = {
  id: 1,
  via: undefined,
  peer: "192.0.2.1:1",
  acceptedAt: 0,
  pid: 0,
  takenAt: 0,
};

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

function addsUp({ accepted, active, ended, refused }: TotalsSnapshot): boolean {
  return accepted === active + sum(ended) + sum(refused);
}

test("totals: begin at zero, with every reason", () => {
  const { accepted, served, active, ended, refused } = new Totals().snapshot();
  assert.deepEqual([accepted, served, active], [0, 0, 0]);
  assert.deepEqual(Object.keys(ended), [...REASONS]);
  assert.deepEqual(Object.keys(refused), [...REFUSAL_REASONS]);
  assert.equal(sum(ended) + sum(refused), 0);
});

test("totals: count each end and each refusal under its reason", () => {
  const totals = new Totals();
  const outcome = { bytesIn: 1, bytesOut: 1, text: "" };
  for (let i = 0; i < 4; i++) totals.accepted();
  totals.rejected("192.0.2.1:1", "rate");
  totals.connected();
  totals.connected();
  totals.disconnected(live, { ...outcome, reason: "idle" });
  totals.refused();
  const { accepted, served, active, ended, refused } = totals.snapshot();
  assert.deepEqual([accepted, served, active], [5, 2, 2]);
  assert.deepEqual([ended.idle, sum(ended)], [1, 1]);
  assert.deepEqual(
    [refused.rate, refused["no-process"], sum(refused)],
    [1, 1, 2],
  );
});

test("totals: a snapshot does not change with them", () => {
  const totals = new Totals();
  const before = totals.snapshot();
  totals.accepted();
  totals.rejected("192.0.2.1:1", "denied");
  assert.deepEqual(before, new Totals().snapshot());
});

/** The events of one connection, step by step. */
const fate = fc.oneof(
  fc.constantFrom(...REFUSAL_REASONS).map((reason) => [
    (totals: Totals) => totals.rejected("192.0.2.1:1", reason),
  ]),
  fc.constant([
    (totals: Totals) => totals.accepted(),
    (totals: Totals) => totals.refused(),
  ]),
  fc.constantFrom(...REASONS).map((reason) => [
    (totals: Totals) => totals.accepted(),
    (totals: Totals) => totals.connected(),
    (totals: Totals) =>
      totals.disconnected(live, {
        bytesIn: null,
        bytesOut: null,
        reason,
        text: "",
      }),
  ]),
);

test("totals: add up after every step, however connections overlap", () => {
  const fates = fc.array(fate, { minLength: 1, maxLength: 20 });
  const order = fc.infiniteStream(fc.nat());
  fc.assert(
    fc.property(fates, order, (connections, picks) => {
      const totals = new Totals();
      const left = connections.map((steps) => [...steps]);
      for (const pick of picks) {
        const open = left.filter((steps) => steps.length > 0);
        if (open.length === 0) break;
        open[pick % open.length]!.shift()!(totals);
        assert.ok(addsUp(totals.snapshot()));
      }
      assert.equal(totals.snapshot().active, 0);
      assert.equal(totals.snapshot().accepted, connections.length);
    }),
    { seed: 1 },
  );
});
