/** The links of the documents work, and their options agree with the manual, which is made from the same tables. */
import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { DOCUMENTS } from "../helpers/readme.ts";
import { test } from "../helpers/testing.ts";

const ROOT = new URL("../../", import.meta.url);
const TEXTS = new Map(
  [...DOCUMENTS, "CONTRIBUTING.md"].map((file) => [
    file,
    Deno.readTextFileSync(new URL(file, ROOT)),
  ]),
);
const README = TEXTS.get("README.md")!;
/** Where every option stands. */
const COMMANDS = [
  "src/cli/README.md",
  "src/cli/control/README.md",
  "src/bench/README.md",
].map((file) => TEXTS.get(file)!).join("\n");

/** The anchors that GitHub gives to the headings of a text. */
function anchors(text: string): Set<string> {
  const outside = text.replaceAll(/^```[^]*?^```/gm, "");
  return new Set(
    [...outside.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(
        " ",
        "-",
      )
    ),
  );
}

test("documents: every link within the repository leads somewhere", () => {
  for (const [file, text] of TEXTS) {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    for (const [link, path, anchor] of links) {
      const target = path === ""
        ? new URL(file, ROOT)
        : new URL(path!, new URL(file, ROOT));
      const there = Deno.readTextFileSync(target);
      if (anchor) assert.ok(anchors(there).has(anchor), `${file}: ${link}`);
    }
  }
});

/** Options that a text names. */
const optionsIn = (text: string) =>
  new Set(
    [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option),
  );

async function optionsOfManual(): Promise<Set<string>> {
  const { stdout } = await runHere(["man"]);
  return optionsIn(stdout.replaceAll(/\\f[A-Z]/g, " ").replaceAll("\\-", "-"));
}

test("documents: README.md is short, leads to all others, and no table is too wide to read", () => {
  assert.ok(README.split("\n").length <= 251);
  for (const [file, text] of TEXTS) {
    if (file !== "README.md") assert.ok(README.includes(`](${file})`), file);
    const lines = text.split("\n");
    assert.ok(lines.length <= 301, `${file} has ${lines.length} lines`);
    for (const line of lines) {
      if (line.startsWith("|")) {
        assert.ok(line.length <= 160, `${file}: ${line}`);
      }
    }
  }
});

test("documents: have every option that there is", async () => {
  const shown = optionsIn(COMMANDS);
  for (const option of await optionsOfManual()) {
    assert.ok(shown.has(option), `${option} is in no document`);
  }
});

test("documents: name no option that there is not", async () => {
  const real = await optionsOfManual();
  const rows = `${COMMANDS}\n${README}`.split("\n").flatMap((line) =>
    /^(?:- |\| )(`-[^:|]*)/.exec(line)?.[1] ?? []
  );
  assert.ok(rows.length > 60, `${rows.length}`);
  for (const option of rows.flatMap((row) => [...optionsIn(row)])) {
    assert.ok(real.has(option), option);
  }
});

test("documents: name every package that is used", () => {
  const { imports } = JSON.parse(
    Deno.readTextFileSync(new URL("deno.json", ROOT)),
  );
  for (const name of Object.keys(imports)) {
    const text = TEXTS.get("CONTRIBUTING.md")!;
    assert.ok(text.includes(`\`${name}\``), name);
  }
});

/** Metaphors that this project once used, where the field has words of its own. */
const LOST =
  /\b(census|steward|warden|heirs?|farewell|lends?|(?<!@)yields?|spells)\b/i;

test("documents: neither they nor the code use words of our own for what has a name", () => {
  const files = (folder: string): string[] =>
    [...Deno.readDirSync(new URL(folder, ROOT))].flatMap((
      { name, isDirectory },
    ) => isDirectory ? files(`${folder}${name}/`) : [`${folder}${name}`]);
  const sources = files("src/").filter((file) => file.endsWith(".ts"));
  for (const file of [...TEXTS.keys(), ...sources]) {
    const text = TEXTS.get(file) ??
      Deno.readTextFileSync(new URL(file, ROOT));
    // A request of the protocol keeps its name: an older server asks with it.
    const found = LOST.exec(text.replaceAll(/"yield"|\byield\b/g, ""));
    assert.equal(found?.[0], undefined, `${file}: ${found}`);
  }
});
