import {
  type Attributes,
  type Meter,
  metrics as api,
} from "@opentelemetry/api";
import assert from "node:assert/strict";
import { Metrics } from "../../src/cli/serve/metrics.ts";
import {
  Audience,
  type ConnectionInfo,
  REFUSAL_REASONS,
  Totals,
} from "../../src/server/events.ts";
import { type Outcome, REASONS } from "../../src/wire/records.ts";
import { test } from "../helpers/testing.ts";

/** The values of an instrument, by attributes: the sum, or every value of a histogram. */
class Written {
  readonly values = new Map<string, number[]>();

  add(value: number, attributes: Attributes = {}): void {
    const key = JSON.stringify(attributes);
    this.values.set(key, [...this.values.get(key) ?? [], value]);
  }

  /** Sums by the reason, which every series is to have beside the model. */
  byReason(): Record<string, number> {
    return Object.fromEntries(
      [...this.values].map(([key, values]) => {
        const { "mpserv.reason": reason, ...rest } = JSON.parse(key);
        assert.deepEqual(rest, { "mpserv.model": "fork" });
        return [reason, sum(values)];
      }),
    );
  }

  get total(): number {
    return sum([...this.values.values()].flat());
  }
}

const instruments = new Map<string, Written>();
const make = (name: string) => {
  const written = new Written();
  instruments.set(name, written);
  return Object.assign(written, { record: written.add });
};
api.setGlobalMeterProvider({
  getMeter: () =>
    ({
      createCounter: make,
      createUpDownCounter: make,
      createHistogram: make,
    }) as unknown as Meter,
});

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function connection(id: number, pid: number): ConnectionInfo {
  return {
    ...{ id, pid, peer: "192.0.2.1:1", via: undefined },
    ...{ acceptedAt: performance.now(), takenAt: 0 },
  };
}

test("metrics: count what the totals count, whatever becomes of connections", () => {
  const totals = new Totals(), metrics = new Metrics();
  metrics.begin(() => "fork");
  const events = new Audience([totals, metrics]).events;
  const live = connection(1, 0);
  for (const [i, reason] of REFUSAL_REASONS.entries()) {
    for (let n = 0; n <= i; n++) {
      if (reason === "no-process") {
        events.accepted(live);
        events.refused(live, "why");
      } else events.rejected(live.peer, reason);
    }
  }
  for (const [i, reason] of REASONS.entries()) {
    const bytesIn = i === 0 ? null : 10 * i, bytesOut = i === 0 ? null : i;
    events.accepted(live);
    events.connected(live);
    events.disconnected(live, { bytesIn, bytesOut, reason, text: "" }, 500);
  }
  events.accepted(live);
  events.connected(live);
  events.removed(10, { code: 0, signal: null });
  events.removed(11, { code: 3, signal: null });
  events.removed(12, { code: 137, signal: "SIGKILL" });
  events.removed(13, { code: -1, signal: null });

  const { accepted, served, active, ended, refused } = totals.snapshot();
  const of = (name: string) => instruments.get(`mpserv.${name}`)!;
  assert.equal(of("connections.accepted").total, accepted);
  assert.equal(of("connections.served").total, served);
  assert.equal(of("connections.active").total, active);
  assert.equal(active, 1);
  assert.deepEqual(of("connections.refused").byReason(), refused);
  const durations = of("connection.duration").byReason();
  const seconds = Object.entries(ended).map(([reason, n]) => [reason, n / 2]);
  assert.deepEqual(durations, Object.fromEntries(seconds));
  assert.equal(
    [...of("handover.duration").values.values()].flat().length,
    served,
  );
  const bytes = sum(REASONS.map((_, i) => 11 * i));
  assert.equal(of("connection.io").total, bytes);
  assert.deepEqual(of("process.exits").byReason(), {
    "code 0": 1,
    "code 3": 1,
    SIGKILL: 1,
    unknown: 1,
  });
});

test("metrics: what a model has begun ends under its name, also when another one has taken over", () => {
  const metrics = new Metrics();
  let model = "spawn";
  metrics.begin(() => model);
  const events = new Audience([metrics]).events;
  const [before, unserved, after] = [1, 2, 3].map((id) =>
    connection(id, 100 + id)
  ) as [ConnectionInfo, ConnectionInfo, ConnectionInfo];
  const outcome = { bytesIn: 1, bytesOut: 2, reason: "closed", text: "" };
  events.accepted(before);
  events.connected(before);
  events.accepted(unserved);
  model = "fork";
  events.accepted(after);
  events.connected(after);
  for (const live of [before, after]) {
    events.disconnected(live, outcome as Outcome, 5);
    events.removed(live.pid, { code: 0, signal: null });
  }
  events.refused(unserved, "why");
  events.rejected("192.0.2.1:9", "rate");
  const of = (name: string) => {
    const byModel: Record<string, number> = {};
    for (const [key, values] of instruments.get(`mpserv.${name}`)!.values) {
      const { "mpserv.model": model } = JSON.parse(key);
      byModel[model] = (byModel[model] ?? 0) + sum(values);
    }
    return byModel;
  };
  assert.deepEqual(of("connections.accepted"), { spawn: 2, fork: 2 });
  assert.deepEqual(of("connections.served"), { spawn: 1, fork: 1 });
  assert.deepEqual(of("connections.active"), { spawn: 0, fork: 0 });
  assert.deepEqual(of("connections.refused"), { spawn: 1, fork: 1 });
  assert.deepEqual(of("connection.io"), { spawn: 3, fork: 3 });
  assert.deepEqual(of("process.exits"), { spawn: 1, fork: 1 });
});
