/** The Korean first page follows the English one: its sections, examples, options and links. */
import assert from "node:assert/strict";
import { blocksOf } from "../helpers/readme.ts";
import { test } from "../helpers/testing.ts";

const ENGLISH = "README.md", KOREAN = ".github/README.ko.md";
const ROOT = new URL("../../", import.meta.url);
const read = (file: string) => Deno.readTextFileSync(new URL(file, ROOT));
const [english, korean] = [read(ENGLISH), read(KOREAN)];

/** The links of a document, as paths from the root. */
function linksOf(file: string): string[] {
  const links = [...read(file).matchAll(/\]\(([^)#]+)/g)].map(([, to]) => to!);
  return [...new Set(links)].map((to) =>
    new URL(to, new URL(file, ROOT)).href.replace(ROOT.href, "")
  );
}

test("README.ko.md: each leads to the other in its first lines", () => {
  const firstLines = (text: string) => text.split("\n## ")[0]!.slice(0, 700);
  assert.ok(firstLines(english).includes(`](${KOREAN})`));
  assert.ok(firstLines(korean).includes("](../README.md)"));
});

test("README.ko.md: has the sections of README.md, each with its examples", () => {
  const sections = (text: string) =>
    text.split(/^## /m).map((section) => {
      const fences = section.match(/^```\w*/gm) ?? [];
      return fences.filter((_, at) => at % 2 === 0);
    });
  assert.deepEqual(sections(korean), sections(english));
  // Comments are translated, and nothing else.
  const examples = (file: string) =>
    blocksOf(file).map(({ text }) => text.replaceAll(/(#|\/\/) .*/g, ""));
  assert.deepEqual(examples(KOREAN), examples(ENGLISH));
});

test("README.ko.md: has the tables of README.md, row by row, with the same names and defaults", () => {
  const rows = (text: string) =>
    text.split("\n").filter((line) => line.startsWith("|"));
  assert.equal(rows(korean).length, rows(english).length);
  const names = (text: string) =>
    rows(text).flatMap((row) => {
      const [, name, initial] = row.split(/(?<!\\)\|/).map((it) => it.trim());
      return /^`--[a-z-]+ ?/.test(name!) && name !== "`--model`"
        ? [[name, initial]]
        : [];
    });
  assert.ok(names(english).length >= 10);
  assert.deepEqual(names(korean), names(english));
});

test("README.ko.md: leads to every document to which README.md does", () => {
  const there = new Set(linksOf(KOREAN));
  for (const link of linksOf(ENGLISH)) {
    assert.ok(link === KOREAN || there.has(link), link);
  }
});
