import assert from "node:assert/strict";
import { scratch, viewOf } from "../../src/posix/abi.ts";
import { test } from "../helpers/testing.ts";

function addressOf(bytes: Uint8Array<ArrayBuffer>): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

test("scratch: buffers are zeros, aligned, and do not overlap", () => {
  const buffers = [1, 8, 13, 128, 4].map((size) => scratch(size));
  buffers.forEach((buffer, i) => buffer.fill(i + 1));
  buffers.forEach((buffer, i) => {
    assert.equal(addressOf(buffer) % 8, 0);
    assert.ok(buffer.every((byte) => byte === i + 1));
  });
  assert.ok(scratch(64).every((byte) => byte === 0));
});

test("scratch: no buffer reaches over the end of a page of memory", () => {
  for (let i = 0; i < 40; i++) {
    const buffer = scratch(700);
    const first = Math.floor(addressOf(buffer) / 4096);
    assert.equal(first, Math.floor((addressOf(buffer) + 699) / 4096));
  }
});

test("scratch: refuses more than a page", () => {
  assert.throws(() => scratch(4097), RangeError);
});

test("viewOf: sees the same bytes", () => {
  const bytes = scratch(8);
  viewOf(bytes).setUint32(4, 0x01020304, true);
  assert.deepEqual([...bytes], [0, 0, 0, 0, 4, 3, 2, 1]);
});
