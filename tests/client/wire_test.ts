import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeSocket,
  decodeWriterReport,
  encodeSocket,
  encodeWriterReport,
  SOCKET_SIZE,
  WRITER_REPORT_SIZE,
  type WriterReportKind,
} from "../../src/client/writer_reports.ts";
import { test } from "../helpers/testing.ts";

const KINDS: WriterReportKind[] = [
  "progress",
  "half-closed",
  "input-ended",
  "stopped",
  "hung-up",
  "socket-failed",
  "input-failed",
];

test("writer's wire: a report comes out as it went in", () => {
  const reports = fc.record({
    kind: fc.constantFrom(...KINDS),
    sent: fc.maxSafeNat(),
    unsent: fc.maxSafeNat(),
    text: fc.string({ maxLength: 200 }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(reports, (report) => {
    const record = encodeWriterReport(report);
    assert.equal(record.length, WRITER_REPORT_SIZE);
    assert.deepEqual(decodeWriterReport(new DataView(record.buffer)), report);
  }));
});

test("writer's wire: a reason that is too long is cut between characters", () => {
  const record = encodeWriterReport({
    kind: "input-failed",
    sent: 0,
    unsent: 0,
    text: "ü".repeat(200),
  });
  assert.equal(
    decodeWriterReport(new DataView(record.buffer)).text,
    "ü".repeat(114),
  );
});

test("writer's wire: what is not a report is refused", () => {
  const wrong = [
    new DataView(new ArrayBuffer(WRITER_REPORT_SIZE)),
    new DataView(new ArrayBuffer(3)),
  ];
  for (const record of wrong) {
    assert.throws(() => decodeWriterReport(record), {
      name: "TypeError",
      message: /not one of ours/,
    });
  }
});

test("writer's wire: the record with the socket is known, and nothing else", () => {
  for (const noShutdown of [true, false]) {
    for (const raw of [true, false]) {
      const record = new DataView(encodeSocket({ noShutdown, raw }).buffer);
      assert.deepEqual(decodeSocket(record), { noShutdown, raw });
    }
  }
  assert.equal(decodeSocket(new DataView(new ArrayBuffer(SOCKET_SIZE))), null);
  assert.equal(decodeSocket(new DataView(new ArrayBuffer(1))), null);
});
