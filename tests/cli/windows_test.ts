import { DEADLINE } from "../helpers/testing.ts";
import assert from "node:assert/strict";
import { test } from "../helpers/testing.ts";

const MAIN = new URL("../../main.ts", import.meta.url).href;
/** Makes the runtime say that this is Windows, before main.ts is loaded. */
const PRETEND =
  `data:text/javascript,Object.defineProperty(Deno, "build", { value: { ...Deno.build, os: "windows" } })`;

/** Runs a role with no permission at all: what reaches for the system before it refuses fails. */
async function onWindows(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--preload",
      PRETEND,
      MAIN,
      ...args,
    ],
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

for (
  const [name, ...words] of [
    ["mpserv"],
    ["mpserv", "serve", "9190"],
    ["mpserv", "--version"],
    ["mpclient", "@mpclient"],
    ["mpclient", "@mpclient", "--help"],
  ] as [string, ...string[]][]
) {
  test(`windows: ${[name, ...words].join(" ")} is refused in one line, before anything of the system is touched`, async () => {
    const { code, stdout, stderr } = await onWindows(...words);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(`^Cannot run on Windows: ${name} needs .*WSL.*\\n$`),
    );
  });
}

test("windows: without the pretence, the same start needs the system", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", MAIN, "serve", "0"],
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  assert.notEqual(code, 0);
  assert.doesNotMatch(new TextDecoder().decode(stderr), /Windows/);
});
