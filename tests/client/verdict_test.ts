import assert from "node:assert/strict";
import { verdict } from "../../src/client/conversation.ts";
import type { WriterReport } from "../../src/client/writer_reports.ts";
import { test } from "../helpers/testing.ts";

function judge(
  report: Partial<WriterReport>,
  rest: Partial<Parameters<typeof verdict>[0]> = {},
): string | null {
  const whole = {
    kind: "stopped",
    sent: 40,
    unsent: 0,
    text: "",
    ...report,
  } as const;
  return verdict({
    report: whole,
    received: 12,
    failure: null,
    raw: false,
    ...rest,
  });
}

test("verdict: after a half-close whatever the server sent is well", () => {
  assert.equal(judge({ kind: "half-closed" }), null);
});

test("verdict: where the sending side was left open, the server or time has the last word", () => {
  assert.equal(judge({ kind: "input-ended" }), null);
  assert.equal(judge({ kind: "input-ended" }, { idle: 2500 }), null);
});

test("verdict: time alone ends no conversation well", () => {
  const told = "Gave up: nothing came or went for 2.5s";
  assert.equal(judge({}, { idle: 2500 }), told);
  assert.equal(judge({ kind: "half-closed" }, { idle: 2500 }), told);
  assert.equal(judge({ kind: "half-closed" }, { idle: 2500, raw: true }), told);
});

test("verdict: a server that hangs up did well when all came back", () => {
  assert.equal(judge({}, { received: 40 }), null);
  assert.equal(
    judge({}),
    "Server closed the connection: 12 of 40 bytes came back",
  );
});

test("verdict: bytes that could not be sent did not come back", () => {
  assert.equal(
    judge({ kind: "hung-up", unsent: 2 }, { received: 40 }),
    "Server closed the connection: 40 of 42 bytes came back",
  );
});

test("verdict: a raw copy is wrong only when bytes were not sent", () => {
  assert.equal(judge({}, { raw: true }), null);
  assert.equal(
    judge({ unsent: 2 }, { raw: true }),
    "Server closed the connection: 2 bytes were not sent",
  );
});

test("verdict: a reset is told, whoever met it", () => {
  const told = "Lost the connection: connection reset by peer (ECONNRESET)";
  const reason = "connection reset by peer (ECONNRESET)";
  assert.equal(
    judge({}, { failure: reason }),
    `${told}: 12 of 40 bytes came back`,
  );
  assert.equal(
    judge({ kind: "socket-failed", text: reason }),
    `${told}: 12 of 40 bytes came back`,
  );
  assert.equal(
    judge({ kind: "half-closed" }, { failure: reason, raw: true }),
    told,
  );
});

test("verdict: input that cannot be read is told before anything else", () => {
  assert.equal(
    judge({ kind: "input-failed", text: "is a directory (EISDIR)" }, {
      failure: "x",
    }),
    "Cannot read standard input: is a directory (EISDIR)",
  );
});
