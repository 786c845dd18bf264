/** A handler may do nothing but serve, and with `--grant` exactly what was granted. */
import assert from "node:assert/strict";
import { PERMISSION_KINDS } from "../../src/runtime/permissions.ts";
import { runCommand } from "../helpers/command.ts";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { testUsage } from "../helpers/usage.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/capabilities.ts", import.meta.url);

/** The permissions that the handler finds. */
async function capabilities(model: Model, grants: readonly string[]) {
  const flags = grants.flatMap((grant) => ["--grant", grant]);
  await using server = await startServer({
    model,
    args: ["--handler", HANDLER, ...flags, ...notRewound(model)],
  });
  using conn = await connect(server.port);
  const text = new TextDecoder().decode(
    await exchange(conn, new Uint8Array(0)),
  );
  await server.log.waitFor("client disconnected...");
  assert.deepEqual(server.log.others, [], "nothing is printed");
  const told = JSON.parse(text) as Record<string, [state: string, ...string[]]>;
  // Permissions in the state "prompt" are not open: nobody can answer.
  for (const found of Object.values(told)) {
    if (found[0] === "prompt") found[0] = "denied";
  }
  return told;
}

/** The expected permissions. */
function expected(granted: readonly string[]) {
  return Object.fromEntries(
    PERMISSION_KINDS.map((kind) =>
      granted.includes(kind)
        ? [kind, ["granted", "used"]]
        : [kind, ["denied", "denied"]]
    ),
  );
}

/** Those that are given below. */
const KINDS = ["net", "env", "sys", "read", "write", "run", "ffi", "import"];

for (const model of models()) {
  test(`grants (${model}): without any, nothing is open`, async () => {
    assert.deepEqual(await capabilities(model, []), expected([]));
  });

  test(`grants (${model}): those that are given are open, and nothing else`, async () => {
    const sets = [["net", "env", "sys"]];
    // Each kind twice, in other company: what it opens beside itself is seen in one of them.
    if (model === "fork") sets.push(["read", "write"], ["run", "ffi"]);
    if (model === "spawn") {
      sets.push(["read", "net"], ["write", "run"], ["sys", "ffi"]);
      // In an executable it is refused: below.
      if (!isCompiled) sets.push(["env", "import"]);
    }
    assert.deepEqual(
      PERMISSION_KINDS.filter((kind) => !KINDS.includes(kind)),
      [],
    );
    for (const [first, ...more] of sets) {
      const found = await capabilities(model, [first!, more.join()]);
      assert.deepEqual(found, expected([first!, ...more]));
    }
  });

  test(`grants (${model}): a part of a kind opens that part alone, and is refused where it cannot`, async () => {
    await using directory = temporaryDirectory();
    const { path } = directory;
    const handler = `${path}/handler.js`;
    Deno.writeTextFileSync(`${path}/open.txt`, "open");
    Deno.writeTextFileSync(
      handler,
      `export default async (connection) => {
        const tries = [${
        JSON.stringify(path)
      } + "/open.txt", "/etc/hostname", Deno.execPath];
        const read = (file) => {
          try {
            return Deno.readTextFileSync(typeof file === "string" ? file : file()) && "read";
          } catch (error) {
            return error.name;
          }
        };
        await connection.write(new TextEncoder().encode(tries.map(read).join()));
      };`,
    );
    const args = [
      ...["--handler", handler, "--grant", `read=${path}`],
      ...notRewound(model),
    ];
    if (isCompiled) {
      const { code, stderr } = await runCommand(["serve", "0", ...args]);
      assert.equal(
        stderr,
        `error: Cannot grant "read=${path}": a compiled server can grant whole kinds only: give read, or run from source\n`,
      );
      return assert.equal(code, 2);
    }
    await using server = await startServer({ model, args });
    using conn = await connect(server.port);
    const said = new TextDecoder().decode(
      await exchange(conn, new Uint8Array(0)),
    );
    assert.equal(said, "read,NotCapable,NotCapable");
  });
}

test(
  "grants: --grant import is refused in one line where it could not be used",
  async () => {
    const { code, stderr } = await runCommand([
      ...["serve", "0", "--handler", HANDLER, "--grant", "import"],
    ]);
    assert.match(
      stderr,
      /^error: Cannot grant "import": a compiled server [^\n]+\n$/,
    );
    assert.equal(code, 2);
  },
  { ignore: !isCompiled },
);

testUsage(["serve", "0", "--handler", HANDLER], [
  [
    ["--grant", "nets"],
    /"nets": expected one of net, read, write, env, run, sys, ffi, import/,
  ],
  [["--grant", ""], /"": expected one of/],
  [["--grant", "net,"], /"": expected one of/],
  [["--grant", "read="], /"read="/],
  [["--grant", "ffi=./lib.so"], /"ffi=\.\/lib\.so"/],
]);
