import assert from "node:assert/strict";
import { readGrammar } from "../../src/cli/grammar.ts";
import { DOCUMENTS } from "../helpers/readme.ts";
import { test } from "../helpers/testing.ts";
import { withTables } from "./tables.ts";

const read = (file: string) =>
  Deno.readTextFileSync(new URL(`../../${file}`, import.meta.url));

/** A text without the blanks and lines that make columns of a table. */
const loose = (text: string) =>
  text.replaceAll(
    /^\|.*$/gm,
    (row) => row.replaceAll(/ *\| */g, "|").replaceAll(/-{3,}/g, "---"),
  );

for (const file of DOCUMENTS) {
  const text = read(file);
  if (!text.includes("<!-- /")) continue;
  test(`${file}: its tables are made of the options (deno task tables writes them)`, async () => {
    assert.equal(loose(text), loose(await withTables(text)));
  });
}

test("tables: the options and the page of every command that has any are in a document", async () => {
  const all = DOCUMENTS.map(read).join("\n");
  for (const { name, page, flags } of (await readGrammar("mpserv")).commands) {
    if (name === "help") continue;
    const isShort = flags.length <= 3; // the standard ones, and one more: in words
    if (!isShort) assert.ok(all.includes(`<!-- options: ${name} -->`), name);
    const { signals, variables, exitCodes } = page;
    if (isShort || !(signals ?? variables ?? exitCodes)) continue;
    assert.ok(all.includes(`<!-- page: ${name} -->`), name);
  }
});
