import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

/** Each checks a page and says nothing when it is well. */
const CHECKS = [
  ["mandoc", "-Tlint"],
  ["man", "--warnings", "--local-file", "--troff-device=utf8", "--ditroff"],
] as const;

const PAGES = { mpserv: "serve", mpclient: "client" };

for (const [page, command] of Object.entries(PAGES)) {
  for (const [checker, ...flags] of CHECKS) {
    test(`man ${page}: ${checker} has nothing to say about it`, async () => {
      await using directory = temporaryDirectory();
      const path = `${directory.path}/${page}.1`;
      await Deno.writeTextFile(path, await manual(page));
      const { success, stdout, stderr } = await new Deno.Command(checker, {
        args: [...flags, path],
      }).output();
      const said = [stderr, ...checker === "mandoc" ? [stdout] : []]
        .map((bytes) => new TextDecoder().decode(bytes)).join("");
      assert.deepEqual([success, said], [true, ""]);
    }, { ignore: missing(`check of manual pages by ${checker}`, checker) });
  }

  test(`man ${page}: has every option of the help, and the version`, async () => {
    const text = (await manual(page)).replaceAll("\\-", "-");
    const help = (await runHere([command, "--help-all"])).stdout;
    const options = help.match(/^ {2}(-h, )?--[\w-]+/gm) ?? [];
    assert.ok(options.length > 5);
    for (const option of options) {
      assert.ok(text.includes(`\\fB${option.trim()}`), option);
    }
    const version = (await runHere(["--version"])).stdout.split(" ")[1];
    assert.match(text.split("\n")[0]!, new RegExp(`"mpserv ${version}"`));
  });
}

async function manual(page: string): Promise<string> {
  const { code, stdout, stderr } = await runHere(["man", page]);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}
