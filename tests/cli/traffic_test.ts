import assert from "node:assert/strict";
import { exceeded } from "../../src/cli/serve/traffic.ts";
import type { TcpConnection } from "../../src/posix/net/socket_diagnostics.ts";
import { test } from "../helpers/testing.ts";

const quiet: TcpConnection = {
  sinceReceived: 5000,
  sinceSent: 5000,
  bytesIn: 0,
  bytesOut: 0,
  peerEnded: false,
};
const spoken = { ...quiet, bytesIn: 1 };
const both = { idleTimeout: 3000, firstByteTimeout: 1000 };

test("exceeded: idle is when neither side moves", () => {
  const limits = { idleTimeout: 3000 };
  assert.equal(exceeded(spoken, 9000, limits), "idle");
  assert.equal(exceeded(quiet, 9000, limits), "idle");
  const sends = { ...spoken, sinceSent: 2999 };
  const receives = { ...spoken, sinceReceived: 2999 };
  assert.equal(exceeded(sends, 9000, limits), undefined);
  assert.equal(exceeded(receives, 9000, limits), undefined);
});

test("exceeded: the first byte is late when none came, and none is to come no more", () => {
  const limits = { firstByteTimeout: 1000 };
  assert.equal(exceeded(quiet, 1000, limits), "first-byte");
  assert.equal(exceeded(spoken, 9000, limits), undefined);
  assert.equal(
    exceeded({ ...quiet, peerEnded: true }, 9000, limits),
    undefined,
  );
});

test("exceeded: what a client waited before it was served does not count", () => {
  assert.equal(exceeded(quiet, 999, both), undefined);
  assert.equal(exceeded(spoken, 2999, both), undefined);
  assert.equal(exceeded(spoken, 3000, both), "idle");
  assert.equal(exceeded(quiet, 9000, {}), undefined);
});
