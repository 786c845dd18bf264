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
  const version = new RegExp(`(?<![\\d.])${escaped}(?![\\d.])`);
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
    assert.doesNotMatch(text, version, file);
  }
});

test("version: what documents and manifests show is of this version, and CHANGELOG.md has its section", () => {
  const { stdout } = new Deno.Command("git", {
    args: ["ls-files", "*.md", "*.yaml", "*.yml", "src", ".release"],
    cwd: ROOT,
  }).outputSync();
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  const shown = files.filter((file) => /\.(md|ya?ml)$/.test(file)).flatMap(
    (file) => {
      const text = Deno.readTextFileSync(new URL(file, ROOT));
      return [...text.matchAll(/\bmpserv[ :-]v?(\d+\.\d+\.\d+)(?![\d.])/g)]
        .map(([, version]) => [file, version]);
    },
  );
  assert.ok(shown.length >= 3, "an image, an archive and the answer of status");
  for (const [file, version] of shown) {
    assert.equal(version, manifest.version, file);
  }
  const changelog = Deno.readTextFileSync(new URL("CHANGELOG.md", ROOT));
  const section = sectionOf(changelog, manifest.version);
  assert.ok(section.split("\n").length <= 80, "a release's notes are short");
  const [newest] = changelog.match(/(?<=^## \[)\d.*?(?=\])/m) ?? [];
  assert.equal(newest, manifest.version);
});
