import fc from "fast-check";
import assert from "node:assert/strict";
import { LineQueue, LONGEST_PIECE } from "../../src/client/lock_step.ts";
import { test } from "../helpers/testing.ts";

function takeAll(queue: LineQueue): string[] {
  const lines: string[] = [];
  for (let line; (line = queue.take()) !== null;) {
    lines.push(new TextDecoder().decode(line));
  }
  return lines;
}

test("line queue: gives whole lines in order, and the last one at the end of the input", () => {
  const texts = fc.array(
    fc.string({ unit: fc.constantFrom("\n", "a", "b"), maxLength: 5 }),
  );
  fc.assert(fc.property(texts, (chunks) => {
    const queue = new LineQueue();
    const lines: string[] = [];
    for (const chunk of chunks) {
      queue.push(new TextEncoder().encode(chunk));
      lines.push(...takeAll(queue));
      assert.ok(lines.every((line) => line.endsWith("\n")));
    }
    queue.end();
    lines.push(...takeAll(queue));
    assert.deepEqual(lines, chunks.join("").match(/[^\n]*\n|[^\n]+/g) ?? []);
  }));
});

test("line queue: gives a line that is too long in pieces", () => {
  const queue = new LineQueue();
  queue.push(new Uint8Array(2 * LONGEST_PIECE + 3).fill(0x61));
  assert.equal(queue.take()?.length, LONGEST_PIECE);
  assert.equal(queue.take()?.length, LONGEST_PIECE);
  assert.equal(queue.take(), null);
  queue.push(new TextEncoder().encode("\nb"));
  assert.equal(queue.take()?.length, 4);
});
