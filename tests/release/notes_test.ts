import assert from "node:assert/strict";
import { sectionOf } from "../../.release/notes.ts";
import manifest from "../../deno.json" with { type: "json" };
import { test } from "../helpers/testing.ts";

const ROOT = new URL("../../", import.meta.url);
const CHANGELOG = `# Changelog

## [Unreleased]

### Added

- more

## [1.2.3] - 2026-01-02

### Fixed

- that

## [1.2.2] - 2026-01-01
`;

test("sectionOf: is one version's section, without its heading", () => {
  assert.equal(sectionOf(CHANGELOG, "1.2.3"), "### Fixed\n\n- that\n");
});

test("sectionOf: refuses a version that has none, or an empty one", () => {
  for (const version of ["1.2.2", "1.2.4", "1.2"]) {
    assert.throws(
      () => sectionOf(CHANGELOG, version),
      /CHANGELOG\.md has nothing/,
    );
  }
});

test("notes: a tag of another version is refused", async () => {
  for (const tag of ["v99.0.0", manifest.version, ""]) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-read", ".release/notes.ts", tag],
      cwd: ROOT,
    }).output();
    assert.equal(code, 1);
    assert.ok(
      new TextDecoder().decode(stderr).includes(
        `expected v${manifest.version}`,
      ),
    );
  }
});

test("CHANGELOG.md: is in the form of Keep a Changelog", () => {
  const text = Deno.readTextFileSync(new URL("CHANGELOG.md", ROOT));
  const [unreleased, ...versions] = text.match(/^## .*$/gm) ?? [];
  assert.equal(unreleased, "## [Unreleased]");
  for (const heading of versions) {
    assert.match(heading, /^## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/);
  }
  const kinds = /^### (Added|Changed|Deprecated|Removed|Fixed|Security)$/;
  for (const heading of text.match(/^### .*$/gm) ?? []) {
    assert.match(heading, kinds);
  }
});

test("version: stands in deno.json and nowhere else in the sources", () => {
  const escaped = manifest.version.replaceAll(".", "\\.");
  const version = new RegExp(`\\b${escaped}\\b`);
  const { code, stdout } = new Deno.Command("git", {
    args: ["ls-files", "main.ts", "src", ".release", ".github"],
    cwd: ROOT,
  }).outputSync();
  assert.equal(code, 0);
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  assert.ok(files.length > 50);
  for (const file of files) {
    if (/\.(md|yaml)$/.test(file)) continue; // what is shown, such as an image of that version
    const text = Deno.readTextFileSync(new URL(file, ROOT));
    assert.doesNotMatch(text.replaceAll(/127\.0\.0\.1/g, ""), version, file);
  }
});
