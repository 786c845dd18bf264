import assert from "node:assert/strict";
import { checksumLine, makeArchive } from "../../.release/archive.ts";
import { sameBytes, temporaryDirectory, test } from "../helpers/testing.ts";

const DATE = new Date("2026-01-02T03:04:05Z");
const text = (words: string) => new TextEncoder().encode(words);
const FILES = [
  { name: "x/bin/run", data: text("#!/bin/sh\necho ran\n"), executable: true },
  { name: "x/README", data: text("read me\n") },
];

async function run(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    env: { TZ: "UTC", LC_ALL: "C" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

test("makeArchive: has the same bytes for the same files, in whatever order they come", async () => {
  const archive = await makeArchive(FILES, DATE);
  assert.ok(sameBytes(archive, await makeArchive(FILES.toReversed(), DATE)));
  const later = new Date(DATE.getTime() + 1000);
  assert.ok(!sameBytes(archive, await makeArchive(FILES, later)));
  assert.deepEqual([...archive.subarray(0, 10)], [
    ...[0x1f, 0x8b, 8, 0], // RFC 1952: no name
    ...[0, 0, 0, 0], // no date
    ...[archive[8], 255], // no system
  ]);
});

test("makeArchive: is unpacked by tar, with its modes and dates", async () => {
  await using directory = temporaryDirectory();
  const { path } = directory;
  await Deno.writeFile(`${path}/a.tar.gz`, await makeArchive(FILES, DATE));
  await run("tar", "-xzf", `${path}/a.tar.gz`, "-C", path);
  assert.equal(await run(`${path}/x/bin/run`), "ran\n");
  assert.equal(await Deno.readTextFile(`${path}/x/README`), "read me\n");
  const { mode, mtime } = await Deno.stat(`${path}/x/README`);
  assert.equal(mode! & 0o111, 0);
  assert.deepEqual(mtime, DATE);
});

test("checksumLine: is what sha256sum writes", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/file`;
  await Deno.writeFile(path, FILES[0]!.data);
  const line = await checksumLine(path, FILES[0]!.data);
  const [program, ...args] = Deno.build.os === "darwin"
    ? ["shasum", "-a", "256"]
    : ["sha256sum"];
  assert.equal(line, await run(program!, ...args, path));
});
