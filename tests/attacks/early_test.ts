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

/** Modules that take at their top what nobody granted, and what is told. */
const TAKERS: Readonly<Record<string, readonly [text: string, told: RegExp]>> =
  {
    "functions of the C library": [
      `Deno.dlopen("libc.so.6", { getuid: { parameters: [], result: "u32" } });`,
      /ffi access[^\n]*--grant ffi/,
    ],
    "a file": [
      `Deno.readTextFileSync("/etc/hostname");`,
      /read access to "\/etc\/hostname"[^\n]*--grant read/,
    ],
    "a file of its own project": [
      `Deno.readTextFileSync(import.meta.filename);`,
      /read access[^\n]*--grant read/,
    ],
    "the network": [
      `await Deno.connect({ port: 9 });`,
      /net access[^\n]*--grant net/,
    ],
    "a program": [
      `new Deno.Command("id").outputSync();`,
      /run access[^\n]*--grant run/,
    ],
    "the environment": [
      `Deno.env.get("HOME");`,
      /env access[^\n]*--grant env/,
    ],
    "a JSON file of somebody's": [
      `import secret from "SECRET" with { type: "json" }; globalThis.secret = secret;`,
      /read access[^\n]*secret\.json/,
    ],
    "a JSON file of somebody's, by a link": [
      `import secret from "./link.json" with { type: "json" }; globalThis.secret = secret;`,
      /link\.json/,
    ],
    "code of somebody's": [
      `import "OTHER";`,
      /read access[^\n]*other\.mjs/,
    ],
  };

for (const [at, [what, [text, told]]] of Object.entries(TAKERS).entries()) {
  // Both load it by the same code, with the same flags.
  for (const model of at % 4 === 0 ? ["fork", "spawn"] : ["fork"]) {
    test(
      `attack (${model}): a module that takes ${what} at its top is refused at start`,
      async () => {
        await using other = temporaryDirectory();
        const secret = `${other.path}/secret.json`;
        Deno.writeTextFileSync(secret, `{"secret":1}`);
        Deno.writeTextFileSync(`${other.path}/other.mjs`, "export default 1;");
        await using own = temporaryDirectory();
        Deno.symlinkSync(secret, `${own.path}/link.json`);
        const file = `${own.path}/handler.mjs`;
        const filled = text.replace("SECRET", secret)
          .replace("OTHER", `${other.path}/other.mjs`);
        Deno.writeTextFileSync(file, `${filled}\n${ANSWER}`);
        const result = await runCommand([
          ...["serve", "0", "--model", model, "--handler", file],
        ]);
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
}
