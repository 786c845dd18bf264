/** Handlers: what they get, and what is told of one that cannot be used. */
import assert from "node:assert/strict";
import { commandEnvironment, runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { bundle, isCompiled } from "../helpers/handler_file.ts";
import { models, startServer } from "../helpers/server.ts";
import {
  randomBytes,
  sameBytes,
  temporaryDirectory,
  test,
} from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** Modules that cannot serve: their text, and what is told. */
const UNUSABLE: readonly (readonly [string, string, RegExp])[] = [
  ["without a default export", "export const x = 1;", /no default export/],
  ["with a syntax error", "export default (c => {", /handler\.m?[jt]s:1/],
  ["that throws", 'throw new Error("at the top");', /at the top/],
  ["that imports what is not there", 'import "./none.ts";', /none\.ts/],
  [
    "that ends the process",
    "Deno.exit(7);",
    /its process exited while loading: exit code 7/,
  ],
  [
    "that never finishes loading",
    "await new Promise(() => {});",
    // On a slow machine the parent may be the first to say so.
    /the module did not finish loading within 10 s: |it is still loading after 12 s/,
  ],
  [
    "that hears nothing while it loads",
    "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    /it is still loading after 12 s/,
  ],
  [
    "whose timer throws while it loads",
    "setTimeout(() => { throw new Error('late'); }); await new Promise((done) => setTimeout(done, 100));",
    /late at [^\n]*handler\.m?[jt]s:1/,
  ],
  [
    "that rejects a promise while it loads",
    "Promise.reject(new Error('unheard')); await new Promise((done) => setTimeout(done, 100));",
    /unheard at [^\n]*handler\.m?[jt]s:1/,
  ],
  ["that throws null", "throw null;", /": null\n/],
  [
    "that reads a file without a grant",
    'Deno.readTextFileSync("c.json");',
    // An executable may read until the module has loaded: what Landlock lets it.
    isCompiled
      ? /c\.json/
      : /read access to "c\.json", which was not granted \(--grant read=c\.json\) at [^\n]*handler\.m?[jt]s:1/,
  ],
];

for (const [which, text, told] of UNUSABLE) {
  test(`handler: a module ${which} is refused at start, in one line`, async () => {
    await using directory = temporaryDirectory();
    const file = `${directory.path}/handler.${isCompiled ? "mjs" : "ts"}`;
    Deno.writeTextFileSync(file, text);
    const result = await runCommand(["serve", "0", "--handler", file]);
    assert.match(
      result.stderr,
      /^error: Cannot use handler "[^"]*handler\.m?[jt]s": [^\n]+\n$/,
    );
    assert.match(result.stderr, told);
    assert.deepEqual([result.code, result.stdout], [1, ""]);
  });
}

/** Handlers that an executable refuses: name, files, further words, message and exit code. */
const BUNDLE =
  "a compiled server accepts only JavaScript that imports files: make one file with `deno bundle -o bundle.js FILE`";
const TO_BE_BUNDLED: [
  string,
  Record<string, string>,
  string[],
  string,
  number,
][] = [
  ...["ts", "mts", "cts", "tsx", "jsx"].map((
    extension,
  ): typeof TO_BE_BUNDLED[number] => [
    `in .${extension}`,
    { [`handler.${extension}`]: "export default () => {};" },
    [],
    'Cannot use handler "FILE": a compiled server accepts only JavaScript: make it with `deno bundle -o handler.js FILE`',
    2,
  ]),
  ...["json", "wasm"].map((extension): typeof TO_BE_BUNDLED[number] => [
    `in .${extension}`,
    { [`handler.${extension}`]: "{}" },
    [],
    'Cannot use handler "FILE": a compiled server accepts only JavaScript: write a handler that imports it',
    2,
  ]),
  ...[
    "npm:chalk@5",
    "jsr:@std/assert",
    "https://127.0.0.1:1/x.js",
    "@lib/x",
    "chalk",
    "./none.js",
  ].map((name): typeof TO_BE_BUNDLED[number] => [
    `that imports "${name}"`,
    {
      "handler.js": `import "${name}"; export default () => {};`,
      "deno.json": '{ "imports": { "@lib/": "./" } }',
    },
    [],
    BUNDLE,
    1,
  ]),
  [
    "that imports TypeScript",
    {
      "handler.js": 'import "./x.ts"; export default () => {};',
      "x.ts": "export const x: number = 1;",
    },
    [],
    BUNDLE,
    1,
  ],
  [
    "in CommonJS",
    { "handler.cjs": "module.exports = () => {};" },
    [],
    BUNDLE,
    1,
  ],
  ...[
    ["--config", "deno.json"],
    ["--unstable-kv"],
    ["--unstable-raw-imports", "--config", "none"],
  ].map((words): typeof TO_BE_BUNDLED[number] => [
    `with ${words.join(" ")}`,
    { "handler.js": "export default () => {};" },
    words,
    `Cannot use ${
      words[0]
    }: a compiled server ignores Deno projects: pass it to \`deno bundle\`, or run from source`,
    2,
  ]),
  ...["import", "import=example.org"].map((
    grant,
  ): typeof TO_BE_BUNDLED[number] => [
    `with --grant ${grant}`,
    { "handler.js": "export default () => {};" },
    ["--grant", grant],
    `Cannot grant "${grant}": a compiled server imports nothing over the network: include it in the handler with \`deno bundle\``,
    2,
  ]),
];

for (const [which, files, words, answer, exitCode] of TO_BE_BUNDLED) {
  test(
    `handler: one ${which} is refused by a compiled server in one line, which says what to do`,
    async () => {
      await using directory = temporaryDirectory();
      for (const [name, text] of Object.entries(files)) {
        Deno.writeTextFileSync(`${directory.path}/${name}`, text);
      }
      const file = `${directory.path}/${Object.keys(files)[0]}`;
      const line = ["serve", "0", "--handler", file, ...words];
      const { code, stderr } = await runCommand(line);
      assert.match(stderr, /^error: [^\n]+\n$/);
      const told = answer.replaceAll("FILE", file);
      assert.ok(stderr.endsWith(`${told}\n`), stderr);
      assert.equal(code, exitCode);
    },
    { ignore: !isCompiled },
  );
}

/** What `deno task serve` says of a handler that is not there; it is typed in a folder below a checkout. */
async function toldOfNone(folder: string): Promise<void> {
  // Whoever runs the tests may have been run by a task, too.
  const task = ["task", "--quiet", "serve"];
  const typed = ["0", "--handler", "handlers/none.ts"];
  const { code, stderr } = await new Deno.Command("/usr/bin/env", {
    args: ["-u", "INIT_CWD", Deno.execPath(), ...task, ...typed],
    cwd: folder,
    env: { ...commandEnvironment(), NO_COLOR: "1" },
  }).output();
  assert.equal(
    new TextDecoder().decode(stderr),
    `error: Cannot use handler "handlers/none.ts": no such file as "${folder}/handlers/none.ts": check the path\n`,
  );
  assert.equal(code, 1);
}

test(
  "handler: a path is relative to where `deno task` was typed, and told as it was tried",
  () => toldOfNone(import.meta.dirname!),
  { ignore: isCompiled },
);

test(
  "handler: a path is relative to where `deno task` was typed, also where the checkout's own has a space, an umlaut and a percent sign",
  async () => {
    await using directory = temporaryDirectory();
    const checkout = `${directory.path}/für 100%25 mpserv`;
    Deno.mkdirSync(`${checkout}/below`, { recursive: true });
    const copied = await new Deno.Command("cp", {
      args: ["-r", "main.ts", "src", "deno.json", "deno.lock", checkout],
      cwd: new URL("../../", import.meta.url),
    }).output();
    assert.equal(copied.code, 0);
    await toldOfNone(`${checkout}/below`);
  },
  { ignore: isCompiled },
);

for (const path of ["/no/such/handler.ts", "/tmp", ""]) {
  test(`handler: "${path}" is refused at start, in one line`, async () => {
    const result = await runHere(["serve", "0", "--handler", path]);
    assert.match(
      result.stderr,
      new RegExp(`^error: Cannot use handler "${path}": [^\\n]+\\n$`),
    );
    assert.deepEqual([result.code, result.stdout], [1, ""]);
  });
}

for (const model of models()) {
  test(`handler (${model}): gets a connection like Deno.Conn, knows who it is of, and is heard to its end, whether it is TypeScript or not`, async () => {
    await using directory = temporaryDirectory();
    Deno.writeTextFileSync(
      `${directory.path}/shift.ts`,
      "export const shift = (byte: number): number => (byte + 1) & 255;",
    );
    const file = `${directory.path}/it's a handler.ts`;
    Deno.writeTextFileSync(
      file,
      `import { shift } from "./shift.ts";
      async function shiftAll(connection: Deno.Conn): Promise<void> {
        const shifted = new TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, to) => to.enqueue(chunk.map(shift)),
        });
        await connection.readable.pipeThrough(shifted).pipeTo(connection.writable);
      }
      async function tell({ id, remoteAddr, localAddr, writable }: Deno.Conn & { id: number }, ...more: unknown[]) {
        const writer = writable.getWriter();
        await writer.write(new TextEncoder().encode(JSON.stringify({ id, remoteAddr, localAddr, more })));
        await writer.close();
      }
      /** Answers before it has read all. */
      async function answer(connection: Deno.Conn): Promise<void> {
        await connection.read(new Uint8Array(10));
        await connection.write(new TextEncoder().encode("x".repeat(3_000_000)));
      }
      const ways = [shiftAll, tell, tell, answer];
      export default async (...given: [Deno.Conn & { id: number }]): Promise<void> =>
        await ways[given[0].id - 1]!(...given);`,
    );
    await using server = await startServer({
      model,
      args: ["--handler", isCompiled ? await bundle(file) : file],
    });
    {
      using conn = await connect(server.port);
      const bytes = randomBytes(300_000);
      const shifted = bytes.map((byte) => (byte + 1) & 255);
      assert.ok(sameBytes(await exchange(conn, bytes), shifted));
      const line = await server.endOf(conn);
      assert.deepEqual([line.in, line.out, line.reason], [
        bytes.length,
        bytes.length,
        "closed",
      ]);
    }
    for (const id of [2, 3]) {
      using conn = await connect(server.port);
      const said = await exchange(conn, new Uint8Array(0));
      assert.deepEqual(JSON.parse(new TextDecoder().decode(said)), {
        id,
        remoteAddr: { ...conn.localAddr },
        localAddr: { ...conn.remoteAddr },
        more: [],
      });
    }
    using conn = await connect(server.port);
    const said = await exchange(conn, new Uint8Array(32 << 20));
    assert.equal(said.length, 3_000_000);
    assert.equal((await server.endOf(conn)).reason, "closed");
  });
}
