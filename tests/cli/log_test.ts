import assert from "node:assert/strict";
import { FORMATTERS } from "../../src/cli/serve/log.ts";
import { test } from "../helpers/testing.ts";

type Fields = Record<string, unknown>;

/** The line of a record at a fixed time. */
function line(
  message: readonly unknown[],
  raw: string,
  properties: Fields = {},
): string {
  return FORMATTERS.text({
    category: ["mpserv"],
    level: "info",
    message,
    rawMessage: raw,
    timestamp: Date.UTC(2024, 1, 29, 12, 30, 5, 7),
    properties,
  });
}

/** The fields of a line, as they are shown. */
function fields(properties: Fields): string {
  return line(["words"], "words", properties).split("INFO  words")[1]!;
}

test("log as text: is time, level, words and fields on one line", () => {
  assert.equal(
    line(["new client connected..."], "new client connected...", {
      id: 1,
      peer: "[::1]:40000",
    }),
    "2024-02-29 12:30:05.007 INFO  new client connected... id=1 peer=[::1]:40000\n",
  );
});

test("log as text: a field that the words hold is not shown twice", () => {
  assert.equal(
    line(["removed proc id: ", 4711, ""], "removed proc id: {pid}", {
      pid: 4711,
      code: 0,
    }),
    "2024-02-29 12:30:05.007 INFO  removed proc id: 4711 code=0\n",
  );
});

test("log as text: a field without a value is left out", () => {
  assert.equal(
    fields({ a: undefined, b: 0, c: null, d: false }),
    " b=0 c=null d=false\n",
  );
});

test("log as text: quotes what could be read as more than one word", () => {
  assert.equal(
    fields({
      a: "two words",
      b: "",
      c: 'a "quote"',
      d: "x=y",
      e: "plain",
      f: "/tmp/a.sock",
    }),
    ' a="two words" b="" c="a \\"quote\\"" d="x=y" e=plain f=/tmp/a.sock\n',
  );
});

test("log as text: no field can end the line, or command the terminal", () => {
  for (const value of ["a\nb", "a\rb", "\x1b[31mred", "tab\there"]) {
    const text = fields({ value });
    assert.equal(text.indexOf("\n"), text.length - 1);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(text.trimEnd(), /[\x00-\x1f\x7f]/);
    assert.equal(JSON.parse(text.slice(" value=".length)), value);
  }
});

test("log as text: keeps levels in one column", () => {
  const levels = ["debug", "info", "warning", "error"] as const;
  const lines = levels.map((level) =>
    FORMATTERS.text({
      category: ["mpserv"],
      level,
      message: ["words"],
      rawMessage: "words",
      timestamp: 0,
      properties: {},
    })
  );
  assert.deepEqual(lines.map((text) => text.slice(24)), [
    "DEBUG words\n",
    "INFO  words\n",
    "WARN  words\n",
    "ERROR words\n",
  ]);
});

test("log as text and JSON: no field ends a line, commands a terminal, or turns text around", () => {
  const evil =
    "\x1b[31m\x7f\x85\x9b\u2028\u2029\u202a\u202e\u2066\u2069\u200e\u200f\u061c";
  const record = {
    category: ["mpserv"],
    level: "info" as const,
    message: [evil],
    rawMessage: evil,
    timestamp: 0,
    properties: { peer: evil },
  };
  for (const format of [FORMATTERS.text, FORMATTERS.json]) {
    const text = format(record).trimEnd();
    assert.match(text, /^[\x20-\x7e]+$/);
  }
  const { message, peer } = JSON.parse(FORMATTERS.json(record));
  assert.deepEqual([message, peer], [evil, evil]);
});

test("log as text: letters of all scripts stay as they are", () => {
  const text = "Grüße 안녕 שלום مرحبا 👋🏽 é";
  assert.match(fields({ text }), new RegExp(text));
});
