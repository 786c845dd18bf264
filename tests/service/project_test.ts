/** A handler runs as `deno run` in its own project would run it. */
import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { say } from "../helpers/handler_server.ts";
import {
  ADD_WASM,
  type Files,
  LEFTPAD,
  project,
  telling,
  write,
} from "../helpers/project_files.ts";
import {
  anyModel,
  type Model,
  models,
  startServer,
} from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";

const JSX = `
function h(name: string, _: unknown, ...parts: unknown[]): string {
  return "<" + name + ">" + parts.join("") + "</" + name + ">";
}`;

/** Projects: files, the handler among them, what it says, and options. */
const PROJECTS: Readonly<
  Record<string, readonly [Files, string, string, ...string[]]>
> = {
  "deno.json: names, JSX and decorators": [
    {
      "deno.json": {
        imports: { "name": "./lib/name.ts", "@lib/": "./lib/" },
        compilerOptions: {
          ...{ jsx: "react", jsxFactory: "h" },
          experimentalDecorators: true,
        },
      },
      "lib/name.ts": 'export const name: string = "named";',
      "lib/other.ts": 'export const other = "other";',
      "src/handler.tsx": telling(
        "<b>{name} {other} {seen.length}</b>",
        'import { name } from "name";',
        'import { other } from "@lib/other.ts";',
        JSX,
        "const seen: unknown[] = [];",
        // Three arguments are those of decorators before they were a standard.
        "function noted(...args: unknown[]): void { seen.push(...args); }",
        "export class Any { @noted method() {} }",
      ),
    },
    "src/handler.tsx",
    "<b>named other 3</b>",
  ],
  "deno.jsonc: comments, and an import map in a file of its own": [
    {
      "deno.jsonc": `{ // where "names" are
        "importMap": "./maps/names.json", /* , */
        "lock": false,
      }`,
      "maps/names.json": {
        imports: { name: "../lib/one.js" },
        scopes: { "../deep/": { name: "../lib/two.js" } },
      },
      "lib/one.js": 'export default "one";',
      "lib/two.js": 'export default "two";',
      "deep/name.js": 'export { default } from "name";',
      "handler.js": telling(
        "one + two",
        'import one from "name";',
        'import two from "./deep/name.js";',
      ),
    },
    "handler.js",
    "onetwo",
  ],
  "package.json: packages in node_modules": [
    {
      "package.json": { type: "module", dependencies: { leftpad: "1.0.0" } },
      ...LEFTPAD,
      "node_modules/esm/package.json": {
        ...{ name: "esm", version: "1.0.0", type: "module" },
        exports: { ".": "./main.js", "./more": "./lib/more.js" },
      },
      "node_modules/esm/main.js":
        'export { default } from "leftpad"; export * from "./lib/more.js";',
      "node_modules/esm/lib/more.js": 'export const more = "more";',
      "src/handler.ts": telling(
        "leftpad(more) + again(1)",
        'import leftpad from "leftpad";',
        'import again from "esm";',
        'import { more } from "esm/more";',
      ),
    },
    "src/handler.ts",
    "<more<1",
  ],
  "package.json and deno.json beside each other": [
    {
      "package.json": { dependencies: { leftpad: "1.0.0" } },
      "deno.json": { imports: { "#name": "./name.mjs" } },
      "name.mjs": 'export default "name";',
      ...LEFTPAD,
      "handler.mjs": telling(
        "leftpad(name)",
        'import leftpad from "leftpad";',
        'import name from "#name";',
      ),
    },
    "handler.mjs",
    "<name",
  ],
  "a workspace, and a member of it": [
    {
      "deno.json": {
        workspace: ["./packages/*"],
        imports: { root: "./root.ts" },
      },
      "root.ts": 'export const root = "root";',
      "packages/one/deno.json": { imports: { own: "./own.ts" } },
      "packages/one/own.ts": 'export const own = "own";',
      "packages/one/src/handler.ts": telling(
        "[root, own, two, sub]",
        'import { root } from "root";',
        'import { own } from "own";',
        'import { two } from "@test/two";',
        'import { sub } from "@test/two/sub";',
      ),
      "packages/two/deno.json": {
        ...{ name: "@test/two", version: "1.0.0" },
        exports: { ".": "./mod.ts", "./sub": "./sub.ts" },
      },
      "packages/two/mod.ts": 'export const two = "two";',
      "packages/two/sub.ts": 'export const sub = "sub";',
    },
    "packages/one/src/handler.ts",
    "root,own,two,sub",
  ],
  "JSON and wasm, and no unstable API": [
    {
      "data.json": { five: 5 },
      "add.wasm": ADD_WASM,
      "handler.mjs": telling(
        "[add(data.five, 2), typeof Deno.cron]",
        'import data from "./data.json" with { type: "json" };',
        'import { add } from "./add.wasm";',
      ),
    },
    "handler.mjs",
    "7,undefined",
  ],
  "CommonJS": [
    {
      "package.json": { dependencies: { leftpad: "1.0.0" } },
      ...LEFTPAD,
      "lib/sign.cjs": 'module.exports = ">";',
      "handler.cjs": `const leftpad = require("leftpad");
        const sign = require("./lib/sign.cjs");
        module.exports = (conn) => conn.write(new TextEncoder().encode(leftpad(sign)));`,
    },
    "handler.cjs",
    "<>",
  ],
  "unstable APIs of deno.json": [
    {
      "deno.json": { unstable: ["cron"] },
      "handler.ts": telling("typeof Deno.cron"),
    },
    "handler.ts",
    "function",
  ],
  "--config none and --unstable-NAME": [
    {
      "deno.json": "{ this is none",
      "handler.ts": telling("typeof Deno.cron"),
    },
    "handler.ts",
    "function",
    ...["--config", "none", "--unstable-cron"],
  ],
};

async function serving(model: Model, file: string, ...args: string[]) {
  const server = await startServer({
    model,
    args: ["--handler", file, ...args],
  });
  return server;
}

if (!isCompiled) {
  for (const model of anyModel()) {
    test(`project (${model}): --config FILE is taken in the place of the nearest one`, async () => {
      await using directory = project({
        "app/deno.json": { imports: { name: "./one.js" } },
        "other/config.jsonc": { imports: { name: "../app/two.js" } },
        "app/one.js": 'export default "one";',
        "app/two.js": 'export default "two";',
        "app/handler.js": telling("name", 'import name from "name";'),
      });
      const { path } = directory;
      const config = `${path}/other/config.jsonc`;
      await using server = await serving(
        model,
        `${path}/app/handler.js`,
        ...["--config", config],
      );
      assert.equal(await say(server.port, ""), "two");
    });
  }

  for (const model of models()) {
    for (
      const [at, [name, [files, handler, says, ...args]]] of Object.entries(
        PROJECTS,
      ).entries()
    ) {
      // How a module is loaded, and what a copy of it lacks, are the same in all; a pool has the zygotes of
      // `fork`.
      if (model === "pool" && at > 0) continue;
      for (const watch of model === "fork" ? [[]] : [["--watch"]]) {
        test(`project (${[model, ...watch]}): ${name}`, async () => {
          await using directory = project(files);
          const file = `${directory.path}/${handler}`;
          await using server = await serving(model, file, ...args, ...watch);
          for (let i = 0; i < (model === "spawn" ? 1 : 3); i++) {
            assert.equal(await say(server.port, ""), says);
          }
          assert.deepEqual(server.log.others, []);
        });
      }
    }

    test(`project (${model}): what is outside of it cannot be imported, whatever names it`, async () => {
      if (model === "pool") return; // its zygotes are those of `fork`
      await using directory = project({
        "package.json": { type: "module", secret: 1 },
        "secret.json": { secret: 1 },
        "app/deno.json": {
          imports: { secret: "../secret.json", about: "../package.json" },
          importMap: "../secret.json",
        },
      });
      const { path } = directory;
      Deno.symlinkSync(`${path}/secret.json`, `${path}/app/link.json`);
      Deno.symlinkSync(path, `${path}/app/node_modules`);
      const names = [
        ...["secret", "about", "../secret.json", "./link.json"],
        "./node_modules/secret.json",
      ];
      const watch = model === "fork" ? [] : ["--watch"];
      write(path, {
        "app/handler.js": telling(
          "said.join()",
          `const said = [];
          for (const load of [${
            names.map((name) =>
              `() => import("${name}", { with: { type: "json" } })`
            )
          }]) said.push(await load().then(() => "loaded", () => "refused"));`,
        ),
      });
      await using server = await serving(
        model,
        `${path}/app/handler.js`,
        ...watch,
      );
      assert.equal(
        await say(server.port, ""),
        names.map(() => "refused").join(),
      );
      // One that does not catch the error, by a name, and by a link.
      for (const name of model === "fork" ? ["secret"] : ["./link.json"]) {
        write(path, {
          "app/handler.js": telling(
            "it.secret",
            `import it from "${name}" with { type: "json" };`,
          ),
        });
        const { stderr, code } = await runCommand([
          ...["serve", "0", "--model", model, "--handler"],
          ...[`${path}/app/handler.js`, ...watch],
        ]);
        assert.match(stderr, /^error: Cannot use handler [^\n]+\n$/, name);
        assert.equal(code, 1);
      }
    });

    test(`project (${model}): its names lead to no module of ours`, async () => {
      const ours = new URL("../../src/", import.meta.url).href;
      await using directory = project({
        "app/beside/deno.json": { imports: { fd: `${ours}posix/fd.ts` } },
        "app/beside/name.js": 'export default () => import("fd");',
        "app/deno.json": {
          imports: {
            ...{ fd: `${ours}posix/fd.ts`, "up/": "file:///" },
            [`${ours}posix/io.ts`]: `${ours}posix/io.ts`,
            beside: "./beside/name.js",
          },
          scopes: { [ours]: { "./": "./" }, "./": { "ours/": ours } },
        },
        "app/handler.js": telling(
          "said.join()",
          'import beside from "beside";',
          `const said = [];
          for (const load of [
            () => import("fd"),
            () => import("up${new URL(ours).pathname}posix/io.ts"),
            () => import("ours/posix/io.ts"),
            () => import("${ours}posix/io.ts"),
            beside,
          ]) said.push(await load().then(() => "loaded", () => "refused"));`,
        ),
      });
      await using server = await serving(
        model,
        `${directory.path}/app/handler.js`,
      );
      const said = await say(server.port, "");
      assert.equal(said, "refused,refused,refused,refused,refused");
    });
  }
}

/** Projects that cannot be used, and the line that is told. */
const UNUSABLE: Readonly<
  Record<string, readonly [Files, RegExp, ...string[]]>
> = {
  "a configuration that is no JSON": [
    { "deno.json": "{", "handler.js": telling("1") },
    /^error: Cannot use the configuration ".*\/deno\.json": .+$/,
  ],
  "an import map that is not there": [
    { "deno.json": { importMap: "none.json" }, "handler.js": telling("1") },
    /^error: Cannot use the import map ".*\/none\.json": no such file: .+$/,
  ],
  "a configuration that is not there": [
    { "handler.js": telling("1") },
    /^error: Cannot use the configuration "\/no\/deno\.json": no such file: .+$/,
    ...["--config", "/no/deno.json"],
  ],
  "a package that nobody has": [
    {
      "package.json": { dependencies: { nothing: "1" } },
      "handler.js": telling("it", 'import it from "nothing";'),
    },
    /^error: Cannot use handler ".*\/handler\.js": .*nothing.+$/,
  ],
  "a module of a server that does not answer": [
    {
      "handler.js": telling("it", 'import it from "http://127.0.0.1:1/it.js";'),
    },
    /^error: Cannot get the packages of handler ".*\/handler\.js": .*127\.0\.0\.1:1.+\(--grant import\).*$/,
  ],
  "an unstable API that is none": [
    { "handler.js": telling("1") },
    /^error: Cannot .*--unstable-never-heard-of.*$/,
    "--unstable-never-heard-of",
  ],
};

for (const [name, [files, told, ...args]] of Object.entries(UNUSABLE)) {
  test(
    `project: ${name} is told in one line`,
    async () => {
      await using directory = project(files);
      const handler = `${directory.path}/handler.js`;
      // Who looks for packages has a process for it.
      const run = /package|server/.test(name) ? runCommand : runHere;
      const { code, stderr, stdout } = await run([
        ...["serve", "0", "--handler", handler],
        ...args,
      ]);
      assert.match(stderr.trimEnd(), told);
      assert.equal(stderr.split("\n").length, 2, stderr);
      assert.deepEqual([code, stdout], [1, ""]);
    },
    { ignore: isCompiled },
  );
}

test("project: --config and --unstable without a handler are wrong usage", async () => {
  for (const args of [["--config", "none"], ["--unstable-kv"]]) {
    const { code, stderr } = await runHere(["serve", "0", ...args]);
    assert.match(stderr, /^error: Cannot use --(config|unstable) without --h/);
    assert.equal(code, 2);
  }
});
