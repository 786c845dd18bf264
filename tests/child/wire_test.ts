import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeHandover,
  decodeReport,
  encodeHandover,
  encodeReport,
  type Handover,
  HANDOVER_SIZE,
  NO_SECRET,
  type Outcome,
  type Reason,
  type Report,
  REPORT_SIZE,
  sameSecret,
  SECRET_SIZE,
} from "../../src/wire/records.ts";
import { MAX_ADDRESS } from "../../src/posix/net/address.ts";
import { MAX_DATA } from "../../src/posix/net/handover.ts";
import { test } from "../helpers/testing.ts";

const PLAIN = { noNullPrototype: true } as const;
const SEED = { seed: 20240607, numRuns: 500 };
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const time = fc.double({
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  noNaN: true,
}).map((time) => time + 0); // no negative zero
const secret = fc.uint8Array({
  minLength: SECRET_SIZE,
  maxLength: SECRET_SIZE,
}).map((bytes) => new Uint8Array(bytes));
const reason = fc.constantFrom<Reason>(
  "closed",
  "reset",
  "idle",
  "error",
  "killed",
);
const kind = fc.constantFrom("connection", "worker");
const outcome = fc.record({
  bytesIn: count,
  bytesOut: count,
  reason,
  text: fc.string({ unit: "grapheme", maxLength: 40 }),
}, PLAIN);

const READY: Report = {
  kind: "ready",
  id: 0,
  pid: 4711,
  outcome: null,
  status: 0,
  secret: new Uint8Array(SECRET_SIZE).fill(7),
  at: 1.5,
  since: 0,
};

/** A connection whose peer has so many bytes. */
function connection(length: number): Handover {
  const secret = new Uint8Array(SECRET_SIZE);
  return { kind: "connection", id: 1, peer: new Uint8Array(length), secret };
}

/** A copy, as it would arrive somewhere inside a larger buffer. */
function arrived(record: Uint8Array, at = 0): DataView<ArrayBuffer> {
  const buffer = new Uint8Array(at + record.length + 7).fill(0xee);
  buffer.set(record, at);
  return new DataView(buffer.buffer, at, record.length);
}

function done(outcome: Outcome): DataView<ArrayBuffer> {
  return arrived(encodeReport({ ...READY, kind: "done", id: 1, outcome }));
}

test("handover: arrives as it was sent, wherever it lies", () => {
  const peer = fc.uint8Array({ maxLength: MAX_ADDRESS });
  fc.assert(
    fc.property(
      kind,
      count,
      peer,
      secret,
      fc.nat(64),
      (kind, id, peer, secret, at) => {
        const sent = { kind, id, peer: new Uint8Array(peer), secret };
        const record = arrived(encodeHandover(sent), at);
        assert.deepEqual(decodeHandover(record), sent);
      },
    ),
    SEED,
  );
});

test("handover: the decoded peer is a part of the record, not a copy that each child pays for", () => {
  const record = arrived(
    encodeHandover({ ...connection(2), peer: new Uint8Array([1, 2]) }),
  );
  const { peer } = decodeHandover(record);
  assert.deepEqual(peer, new Uint8Array([1, 2]));
  assert.equal(peer.buffer, record.buffer);
});

test("report done, failed: arrive as they were sent, wherever they lie", () => {
  const kind = fc.constantFrom("done", "failed");
  const pid = fc.nat(2 ** 22);
  const status = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const report = fc.record(
    { kind, id: count, pid, outcome, status, secret, at: time, since: time },
    PLAIN,
  );
  fc.assert(
    fc.property(report, fc.nat(64), (sent, at) => {
      assert.deepEqual(decodeReport(arrived(encodeReport(sent), at)), sent);
    }),
    SEED,
  );
});

test("secret: is the same in all its bytes, or another", () => {
  const one = secretOf(1);
  assert.ok(sameSecret(one, secretOf(1)));
  for (let i = 0; i < SECRET_SIZE; i++) {
    const other = secretOf(1);
    other[i] = 2;
    assert.ok(!sameSecret(one, other), `byte ${i}`);
  }
  for (const size of [0, SECRET_SIZE - 1, SECRET_SIZE + 1]) {
    const other = new Uint8Array(size).fill(1);
    assert.ok(!sameSecret(one, other) && !sameSecret(other, one), `${size}`);
  }
  assert.ok(!sameSecret(new Uint8Array(0), new Uint8Array(0)));
});

function secretOf(byte: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(SECRET_SIZE).fill(byte);
}

test("report: without a secret bears zeros, whatever was written there before", () => {
  encodeReport({ ...READY, kind: "took", id: 1 });
  const open = { ...READY, secret: NO_SECRET };
  const { secret } = decodeReport(arrived(encodeReport(open)))!;
  assert.deepEqual(secret, new Uint8Array(SECRET_SIZE));
});

test("report ready, took, exited: carry no outcome", () => {
  for (const kind of ["ready", "took", "exited"] as const) {
    const sent = { ...READY, kind, status: 9 };
    assert.deepEqual(decodeReport(arrived(encodeReport(sent))), sent);
  }
});

test("report: a long text is cut at a whole character", () => {
  for (const letter of ["x", "é", "에", "🦕"]) {
    const text = letter.repeat(300);
    const report = decodeReport(
      done({ bytesIn: 0, bytesOut: 0, reason: "error", text }),
    );
    const got = report!.outcome!.text;
    assert.ok(text.startsWith(got));
    const bytes = new TextEncoder().encode(got).length;
    assert.ok(bytes >= 200 && bytes <= REPORT_SIZE, `${bytes} bytes`);
  }
});

test("report: a short text after a long one brings nothing of the long one", () => {
  const base = { bytesIn: 0, bytesOut: 0, reason: "error" } as const;
  done({ ...base, text: "a secret of another connection" });
  const report = decodeReport(done({ ...base, text: "b" }));
  assert.equal(report!.outcome!.text, "b");
});

test("records: have their sizes, which fit a message and any address", () => {
  const { length } = encodeHandover(connection(MAX_ADDRESS));
  assert.equal(length, HANDOVER_SIZE);
  assert.equal(
    encodeReport(READY).length,
    REPORT_SIZE,
  );
  assert.ok(HANDOVER_SIZE <= MAX_DATA && REPORT_SIZE <= MAX_DATA);
});

test("decodeReport: garbage is null, and nothing is thrown", () => {
  const garbage = fc.uint8Array({ maxLength: 2 * REPORT_SIZE });
  fc.assert(
    fc.property(garbage, (bytes) => {
      assert.equal(decodeReport(arrived(bytes)), null);
    }),
    SEED,
  );
});

test("decodeReport: garbage behind our tag throws nothing, and what it gives has the right form", () => {
  const tag = encodeReport(READY).slice(0, 4);
  const size = { minLength: REPORT_SIZE, maxLength: REPORT_SIZE };
  const small = fc.constantFrom(0, 1, 2, 3, 4, 99, 2 ** 32 - 1); // the last two are none
  fc.assert(
    fc.property(
      fc.uint8Array(size),
      small,
      small,
      fc.nat(300),
      (garbage, kind, why, length) => {
        const view = arrived(garbage);
        new Uint8Array(view.buffer).set(tag);
        view.setUint32(4, kind, true);
        view.setUint32(32, why, true);
        view.setUint32(36, length, true);
        const report = decodeReport(view);
        const valid = kind < 5 && why < 5 && length <= REPORT_SIZE - 64;
        assert.equal(report !== null, valid);
        if (report === null) return;
        const { id, outcome } = report;
        assert.equal(
          report.kind,
          ["ready", "took", "done", "exited", "failed"][kind],
        );
        assert.equal(
          outcome !== null,
          report.kind === "done" || report.kind === "failed",
        );
        for (
          const number of [id, outcome?.bytesIn ?? 0, outcome?.bytesOut ?? 0]
        ) {
          assert.ok(Number.isSafeInteger(number) && number >= 0, `${number}`);
        }
      },
    ),
    SEED,
  );
});

test("decodeReport: a count that is none reads as 0", () => {
  for (const lie of [NaN, -1, Infinity, 0.5, 2 ** 60]) {
    const record = done({
      bytesIn: lie,
      bytesOut: lie,
      reason: "closed",
      text: "",
    });
    const { bytesIn, bytesOut } = decodeReport(record)!.outcome!;
    assert.deepEqual([bytesIn, bytesOut], [0, 0]);
  }
});

test("decodeReport: a record of another size is null", () => {
  const record = encodeReport({ ...READY, kind: "took" });
  assert.equal(
    decodeReport(arrived(record.subarray(0, REPORT_SIZE - 1))),
    null,
  );
  const longer = new Uint8Array(REPORT_SIZE + 1);
  longer.set(record);
  assert.equal(decodeReport(arrived(longer)), null);
});

test("decodeHandover: garbage is refused with a TypeError", () => {
  const garbage = fc.uint8Array({ maxLength: 2 * HANDOVER_SIZE });
  fc.assert(
    fc.property(garbage, (bytes) => {
      assert.throws(() => decodeHandover(arrived(bytes)), {
        name: "TypeError",
        message: /not one of ours/,
      });
    }),
    SEED,
  );
});

test("decodeHandover: a peer longer than the record is refused", () => {
  const record = arrived(encodeHandover(connection(16)));
  record.setUint32(16, HANDOVER_SIZE, true);
  assert.throws(() => decodeHandover(record), TypeError);
});

test("decodeHandover: a report is no handover, nor the other way round", () => {
  const report = encodeReport({ ...READY, kind: "took" });
  assert.throws(() => decodeHandover(arrived(report)), TypeError);
  const handover = encodeHandover(connection(16));
  assert.equal(decodeReport(arrived(handover)), null);
});
