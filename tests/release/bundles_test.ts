/** The bundles that executables are made of. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { makeStage } from "../../.release/stage.ts";
import { PARTS, SOURCES } from "../../src/page/document.ts";
import { ROLES } from "../../src/runtime/roles.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { filesBelow } from "./installing.ts";

const ROOT = new URL("../../", import.meta.url);
const ROLE_NAMES = Object.keys(ROLES).map((role) => role.slice(1));
const STARTED_OFTEN = ["serve", "client"];

/** A stage. */
interface Made {
  /** Its texts by file. */
  readonly files: ReadonlyMap<string, string>;
  readonly licenses: ReadonlyMap<string, Uint8Array>;
}

async function make(): Promise<Made> {
  await using stage = await makeStage(new Date(0));
  const files = filesBelow(stage.path).map((name) =>
    [name, Deno.readTextFileSync(`${stage.path}/${name}`)] as const
  );
  return { files: new Map(files), licenses: stage.licenses };
}

let made: Promise<Made> | undefined;
/** One, the same for all tests. */
function staged(): Promise<Made> {
  return made ??= make();
}

/** The files that a bundle is made of, as its map names them. */
function sourcesOf(bundle: string): { sources: string[]; lines?: unknown } {
  const [, text] = /\n\/\/# sourceMappingURL=data:.*;base64,(.*)\n$/
    .exec(bundle) ?? [];
  const bytes = Uint8Array.fromBase64(text!);
  const { sources, sourcesContent } = JSON.parse(
    new TextDecoder().decode(bytes),
  );
  return { sources, lines: sourcesContent };
}

test("bundles: one for each role and what is started often, which load nothing and give nothing to who imports them", async () => {
  const { files } = await staged();
  const roles = [...ROLE_NAMES, ...STARTED_OFTEN, "commands"]
    .map((name) => `roles/${name}.js`);
  const scripts = ["main.js", ...roles];
  assert.deepEqual([...files.keys()], ["deno.json", ...scripts].sort());
  for (const name of scripts) {
    // A bundle has all that it imports at its top, where a part of it that is needed seldom had it.
    assert.doesNotMatch(files.get(name)!, /^(import|export)\b(?!\()/m, name);
  }
  assert.deepEqual(JSON.parse(files.get("deno.json")!), {
    imports: { "./": null, "./main.js": "./main.js" },
    scopes: { "./main.js": { "./roles/": "./roles/" } },
    nodeModulesDir: "none",
  });
  for (const name of STARTED_OFTEN) {
    const { sources } = sourcesOf(files.get(`roles/${name}.js`)!);
    const seldom = /hdr-histogram|opentelemetry|src\/bench\//;
    assert.deepEqual(sources.filter((source) => seldom.test(source)), [], name);
  }
  const { sources } = sourcesOf(files.get("roles/client.js")!);
  const ofServers = /src\/(model|child|server\/server|control)/;
  assert.deepEqual(sources.filter((source) => ofServers.test(source)), []);
});

test("bundles: each command has what it loads by name, wherever that is written", async () => {
  const { files } = await staged();
  const cli = fileURLToPath(new URL("src/cli/", ROOT));
  for (const file of filesBelow(cli)) {
    const places = Deno.readTextFileSync(cli + file)
      .matchAll(/\bload<[^;]*?>\(\s*"([^"]+)"/g);
    const bundles = STARTED_OFTEN.filter((name) =>
      file.startsWith(name) || file === "run.ts" // which starts all of them
    );
    for (const [, place] of places) {
      for (const name of [...bundles, "commands"]) {
        const has = files.get(`roles/${name}.js`)!.includes(`"${place}"`);
        assert.ok(has, `${name}.js lacks ${place}, which ${file} loads`);
      }
    }
  }
});

test("bundles: their maps name files of ours, and have none of their lines", async () => {
  const { files } = await staged();
  for (const [name, text] of files) {
    if (!name.endsWith(".js")) continue;
    const { sources, lines } = sourcesOf(text);
    assert.equal(lines, undefined, name);
    const own = sources
      .map((source) => new URL(source, new URL(name, ROOT)))
      .filter(({ pathname }) => !/\/(node_modules|roles)\//.test(pathname));
    assert.ok(own.length > 0, name);
    for (const source of own) {
      assert.ok(Deno.statSync(source).isFile, `${name}: ${source}`);
    }
  }
});

test("bundles: an error says at which line of ours it was thrown", async () => {
  const { files } = await staged();
  await using directory = temporaryDirectory();
  const bundle = `${directory.path}/writer.js`;
  Deno.writeTextFileSync(bundle, files.get("roles/writer.js")!);
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--allow-ffi", bundle, "@writer", "nothing"],
    env: { NO_COLOR: "1" },
  }).output();
  const file = "src/client/writer_role.ts";
  const [, line] = /at send \(file:.*\/src\/client\/writer_role\.ts:(\d+):/
    .exec(new TextDecoder().decode(stderr)) ?? [];
  const lines = Deno.readTextFileSync(new URL(file, ROOT)).split("\n");
  assert.match(lines[Number(line) - 1] ?? "", /inheritedFd\(args\[0\]\)/);
});

test("bundles: the license of every package in them stands beside them", async () => {
  const { files, licenses } = await staged();
  const packages = [...files].filter(([name]) => name.endsWith(".js"))
    .flatMap(([, text]) => sourcesOf(text).sources)
    .flatMap((source) =>
      /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? []
    );
  assert.ok(packages.includes("@logtape/logtape"));
  for (const name of packages) {
    const text = new TextDecoder().decode(licenses.get(name));
    assert.match(text, /MIT|ISC|BSD|Apache/, name);
  }
});

test("bundles: the same sources give the same bytes, whatever the directory", async () => {
  assert.deepEqual(await make(), await staged());
});

test("bundles: where the bundler cannot be got, Deno says why, and one line of ours follows", async () => {
  await using directory = temporaryDirectory();
  const { path } = directory;
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  // What the bundles have of files, each as it is, and nothing to bundle.
  for (const folder of ["src/page/web", ...SOURCES.map(folderOf)]) {
    Deno.mkdirSync(`${path}/sources/${folder}`, { recursive: true });
  }
  for (
    const file of [...PARTS.map((name) => `src/page/web/${name}`), ...SOURCES]
  ) {
    Deno.copyFileSync(
      fileURLToPath(new URL(file, ROOT)),
      `${path}/sources/${file}`,
    );
  }
  const [bundles, fail] = ["bundles.ts", "fail.ts"].map((name) =>
    fileURLToPath(new URL(`.release/${name}`, ROOT))
  );
  const script = `import { bundle } from "file://${bundles}";
import { run } from "file://${fail}";
await run(() => bundle("${path}/sources", "${path}"));`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    cwd: path,
    env: {
      NPM_CONFIG_REGISTRY: `http://127.0.0.1:${port}/`,
      DENO_DIR: `${path}/cache`,
      NO_COLOR: "1",
    },
    stdin: "null",
    stdout: "null",
  }).output();
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  assert.equal(code, 1);
  assert.match(lines[0]!, /127\.0\.0\.1:\d+\/@esbuild/);
  assert.equal(
    lines.at(-1),
    "Cannot bundle: deno bundle ended with code 1: see above: the first time, it gets esbuild from the npm registry",
  );
});

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}
