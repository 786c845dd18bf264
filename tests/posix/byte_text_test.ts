import fc from "fast-check";
import assert from "node:assert/strict";
import { decodeBytes, encodeBytes } from "../../src/posix/proc.ts";
import { test } from "../helpers/testing.ts";

test("byte text: any bytes come back as they were, also through JSON", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const text = JSON.parse(JSON.stringify(decodeBytes(bytes)));
    assert.deepEqual([...encodeBytes(text)], [...bytes]);
  }));
});

test("byte text: any text of UTF-8 is that text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const bytes = new TextEncoder().encode(text);
    assert.equal(decodeBytes(bytes), text);
    assert.deepEqual(encodeBytes(text), bytes);
  }));
  assert.equal(
    decodeBytes(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])),
    "\ufeffA",
  );
});

test("byte text: what is not UTF-8 stands beside what is", () => {
  const latin = new Uint8Array([0x63, 0xe9, 0xc3, 0xa9, 0xc3]);
  assert.equal(decodeBytes(latin), "c\udce9é\udcc3");
});
