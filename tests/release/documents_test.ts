import assert from "node:assert/strict";
import { makeDocuments } from "../../.release/documents.ts";
import { DOCUMENTS } from "../helpers/readme.ts";
import { test } from "../helpers/testing.ts";

test("documents of a release: every link of every document leads to a file of the archive", async () => {
  const files = await makeDocuments(new Map());
  const names = new Set(files.map(({ name }) => name));
  for (const name of ["LICENSE", "CHANGELOG.md", ...DOCUMENTS]) {
    assert.ok(names.has(name), name);
  }
  let links = 0;
  for (const { name, data } of files) {
    if (!name.endsWith(".md")) continue;
    const text = new TextDecoder().decode(data);
    for (const [link, path] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^https?:/.test(path!)) continue;
      const { pathname } = new URL(path!, `file:///${name}`);
      assert.ok(names.has(pathname.slice(1)), `${name}: ${link}`);
      links++;
    }
  }
  assert.ok(links > 40, `${links}`);
});
