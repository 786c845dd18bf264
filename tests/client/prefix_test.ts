import fc from "fast-check";
import assert from "node:assert/strict";
import { Prefixer } from "../../src/client/output.ts";
import { test } from "../helpers/testing.ts";

function prefixed(prefix: string, chunks: readonly string[]): string {
  const prefixer = new Prefixer(prefix);
  const encoder = new TextEncoder();
  return chunks.map((chunk) =>
    new TextDecoder().decode(prefixer.push(encoder.encode(chunk)))
  ).join("");
}

const texts = fc.array(
  fc.string({ unit: fc.constantFrom("\n", "a", "ü"), maxLength: 6 }),
  { maxLength: 8 },
);

test("prefixer: starts every line with the prefix, once, however the text is cut", () => {
  fc.assert(
    fc.property(texts, fc.string({ maxLength: 4 }), (chunks, prefix) => {
      const lines = chunks.join("").match(/[^\n]*\n|[^\n]+/g) ?? [];
      assert.equal(
        prefixed(prefix, chunks),
        lines.map((line) => prefix + line).join(""),
      );
    }),
    { numRuns: 5000 },
  );
});

test("prefixer: puts a prefix before a line when its first byte comes, not before", () => {
  assert.equal(prefixed("> ", ["a\n"]), "> a\n");
  assert.equal(prefixed("> ", ["a\n", "b"]), "> a\n> b");
});

test("prefixer: gives the chunk itself when there is nothing to add", () => {
  const chunk = new TextEncoder().encode("a\nb\n");
  assert.equal(new Prefixer("").push(chunk), chunk);
});
