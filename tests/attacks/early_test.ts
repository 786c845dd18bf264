/** A module's top level: it runs enclosed, as whom it was asked for, before and whether or not a client comes. */
import assert from "node:assert/strict";
import { landlockVersion } from "../../src/posix/landlock_abi.ts";
import { runCommand } from "../helpers/command.ts";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const EARLY = await handlerFile("handlers/early.ts", import.meta.url);
const NOBODY = 65534;
const isRoot = Deno.uid() === 0;
const ANSWER = `export default (c) => c.write(new TextEncoder().encode("ok"));`;

for (const model of models()) {
  for (const args of [[], ["--user", "nobody"]]) {
    if (args.includes("nobody") && (!isRoot || isCompiled)) continue;
    test(
      `attack (${model}): native code at the top of a module is enclosed ${
        args.join(" ")
      }`,
      async () => {
        await using server = await startServer({
          model,
          args: ["--handler", EARLY, "--grant", "ffi", ...args],
        });
        using conn = await connect(server.port);
        const text = await exchange(conn, new Uint8Array(0));
        const found = JSON.parse(new TextDecoder().decode(text));
        assert.deepEqual(found, {
          uid: args.includes("nobody") ? NOBODY : Deno.uid(),
          noNewPrivs: "1",
          seccomp: "2",
          capabilities: "0000000000000000",
          passwords: null,
          mounts: -1,
          permissions: isCompiled ? ["read"] : [],
        });
      },
      { ignore: landlockVersion() === 0 },
    );
  }
}

for (const model of ["fork", "spawn"] as const) {
  test(
    `attack (${model}): under strict, a call at the top of a module that its sandbox does not know ends it, and is named`,
    async () => {
      const args = ["serve", "0", "--model", model, "--sandbox", "strict"];
      const result = await runCommand(
        [...args, "--handler", EARLY, "--grant", "ffi"],
      );
      assert.match(
        result.stderr,
        /sandbox does not allow the system call mount \(\d+\)/,
      );
      assert.match(result.stderr, /\nerror: Cannot [^\n]+SIGKILL[^\n]*\n$/);
      assert.equal(result.code, 1);
    },
    { ignore: landlockVersion() === 0 },
  );
}

/** Ways in which a module takes at its top what nobody granted, and what it is told. */
const TAKERS: Readonly<Record<string, readonly [code: string, told: RegExp]>> =
  {
    "functions of the C library": [
      `Deno.dlopen("libc.so.6", { getuid: { parameters: [], result: "u32" } })`,
      /ffi access/,
    ],
    "a file": [
      `Deno.readTextFileSync("/etc/hostname")`,
      /read access to "\/etc\/hostname"/,
    ],
    "a file of its own project": [
      `Deno.readTextFileSync(import.meta.filename)`,
      /read access/,
    ],
    "the network": [`await Deno.connect({ port: 9 })`, /net access/],
    "a program": [`new Deno.Command("id").outputSync()`, /run access/],
    "the environment": [`Deno.env.get("HOME")`, /env access/],
    "a JSON file of somebody's": [
      `await import("SECRET", { with: { type: "json" } })`,
      /read access.*secret\.json/,
    ],
    "a JSON file of somebody's, by a link": [
      `await import("./link.json", { with: { type: "json" } })`,
      /link\.json/,
    ],
    "code of somebody's": [
      `await import("OTHER")`,
      /read access.*other\.mjs/,
    ],
  };

/** Writes a module with code at its top: its file, beside a link to somebody's secret. */
function writeTaker(own: string, other: string, code: string): string {
  Deno.writeTextFileSync(`${other}/secret.json`, `{"secret":1}`);
  Deno.writeTextFileSync(`${other}/other.mjs`, "export default 1;");
  Deno.symlinkSync(`${other}/secret.json`, `${own}/link.json`);
  const file = `${own}/handler.mjs`;
  const filled = code.replaceAll("SECRET", `${other}/secret.json`)
    .replaceAll("OTHER", `${other}/other.mjs`);
  Deno.writeTextFileSync(file, filled);
  return file;
}

// A pool's workers are forked from the process that loads it in \`fork\`.
for (const model of ["fork", "spawn"]) {
  test(
    `attack (${model}): a module gets at its top nothing that nobody granted`,
    async () => {
      await using other = temporaryDirectory();
      await using own = temporaryDirectory();
      const tries = Object.values(TAKERS).map(([code]) =>
        `try { ${code}; said.push("TAKEN"); } catch (e) { said.push(String(e)); }`
      );
      const file = writeTaker(
        own.path,
        other.path,
        `const said = [];
         ${tries.join("\n")}
         export default (c) => c.write(new TextEncoder().encode(JSON.stringify(said)));`,
      );
      await using server = await startServer({
        model,
        args: ["--handler", file],
      });
      using conn = await connect(server.port);
      const text = await exchange(conn, new Uint8Array(0));
      const said: string[] = JSON.parse(new TextDecoder().decode(text));
      for (const [at, [what, [, told]]] of Object.entries(TAKERS).entries()) {
        assert.match(said[at]!, told, what);
      }
    },
    { ignore: isCompiled || landlockVersion() === 0 },
  );
}

for (
  const [what, code, told] of [
    [
      "functions of the C library",
      `Deno.dlopen("libc.so.6", { getuid: { parameters: [], result: "u32" } });`,
      /ffi access[^\n]*--grant ffi/,
    ],
    [
      "a JSON file of somebody's",
      `import secret from "SECRET" with { type: "json" }; globalThis.secret = secret;`,
      /read access[^\n]*secret\.json/,
    ],
  ] as const
) {
  test(
    `attack: a module that takes ${what} at its top, and does not catch the error, is refused at start`,
    async () => {
      await using other = temporaryDirectory();
      await using own = temporaryDirectory();
      const file = writeTaker(own.path, other.path, `${code}\n${ANSWER}`);
      const result = await runCommand(["serve", "0", "--handler", file]);
      assert.match(
        result.stderr,
        /^error: Cannot use handler "[^"]+": [^\n]+\n$/,
      );
      assert.match(result.stderr, told);
      assert.equal(result.code, 1);
    },
    { ignore: isCompiled || landlockVersion() === 0 },
  );
}
