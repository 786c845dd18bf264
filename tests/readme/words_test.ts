/** What the READMEs say leads somewhere, and agrees with the manual, which is made of the options themselves. */
import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { READMES } from "../helpers/readme.ts";
import { test } from "../helpers/testing.ts";

const ROOT = new URL("../../", import.meta.url);
const TEXTS = new Map(
  READMES.map((file) => [file, Deno.readTextFileSync(new URL(file, ROOT))]),
);
const README = TEXTS.get("README.md")!;

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

test("README: every link within the repository leads somewhere", () => {
  for (const [file, text] of TEXTS) {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    assert.ok(links.length > 3, file);
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
  const { stdout } = await runCommand(["man"]);
  return optionsIn(stdout.replaceAll(/\\f[A-Z]/g, " ").replaceAll("\\-", "-"));
}

test("README: has every option that there is", async () => {
  const shown = optionsIn(README);
  for (const option of await optionsOfManual()) {
    assert.ok(shown.has(option), `${option} is not in README.md`);
  }
});

test("README: the tables name no option that there is not", async () => {
  const real = await optionsOfManual();
  const rows = README.slice(
    README.indexOf("## The client"),
    README.indexOf("## Run it"),
  )
    .split("\n").filter((line) => line.startsWith("| `-"));
  assert.ok(rows.length > 40);
  for (
    const option of rows.flatMap((row) => [...optionsIn(row.split("|")[1]!)])
  ) {
    assert.ok(real.has(option), option);
  }
});

test("README: names every package that is used", () => {
  const { imports } = JSON.parse(
    Deno.readTextFileSync(new URL("deno.json", ROOT)),
  );
  for (const name of Object.keys(imports)) {
    assert.ok(README.includes(`\`${name}\``), name);
  }
});
