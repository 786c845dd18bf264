import assert from "node:assert/strict";
import fc from "fast-check";
import { QuitScanner } from "../../src/client/input.ts";
import { test } from "../helpers/testing.ts";

/** The bytes that an input sends, computed from its lines. */
function expected(input: string): string {
  let sent = "";
  for (const line of input.match(/[^\n]*\n|[^\n]+/g) ?? []) {
    if (/^[qQ]\r?\n?$/.test(line)) break;
    sent += line;
  }
  return sent;
}

function pushText(scanner: QuitScanner, text: string): string {
  return new TextDecoder().decode(scanner.push(new TextEncoder().encode(text)));
}

const inputs = fc.array(
  fc.string({
    unit: fc.constantFrom("q", "Q", "\r", "\n", "a", "quit"),
    maxLength: 6,
  }),
  { maxLength: 8 },
);

test("quit scanner: lets through what comes before the quit line, however it is cut, and holds back no more", () => {
  fc.assert(
    fc.property(inputs, (chunks) => {
      const scanner = new QuitScanner();
      let fed = "";
      let sent = "";
      for (const chunk of chunks) {
        fed += chunk;
        sent += pushText(scanner, chunk);
        assert.equal(sent, expected(fed));
      }
    }),
    { numRuns: 5000 },
  );
});

test("quit scanner: finds the quit line in every splitting of a short input", () => {
  for (
    const input of [
      "q\n",
      "Q\r\nrest",
      "one\nq\nq\n",
      "\nQ\n",
      "aq\nqa\nq\r\r\nq",
    ]
  ) {
    for (let cuts = 0; cuts < 2 ** (input.length - 1); cuts++) {
      const scanner = new QuitScanner();
      let sent = "";
      for (let start = 0, at = 1; at <= input.length; at++) {
        if (at < input.length && !(cuts >> (at - 1) & 1)) continue;
        sent += pushText(scanner, input.slice(start, at));
        start = at;
      }
      assert.equal(sent, expected(input));
      assert.equal(scanner.quit, /(^|\n)[qQ]\r?\n/.test(input));
    }
  }
});

test("quit scanner: lets nothing through after the quit line", () => {
  const scanner = new QuitScanner();
  assert.equal(pushText(scanner, "a\nq\nb\n"), "a\n");
  assert.equal(pushText(scanner, "c\n"), "");
  assert.equal(scanner.quit, true);
});

test("quit scanner: does not copy what it lets through", () => {
  const chunk = new TextEncoder().encode("a long line\nand more");
  assert.equal(new QuitScanner().push(chunk).buffer, chunk.buffer);
});
