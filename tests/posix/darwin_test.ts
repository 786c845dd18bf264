/** The part of macOS that can be tested elsewhere: no module needs Linux to be loaded. */
import assert from "node:assert/strict";
import { DEADLINE, temporaryDirectory, test } from "../helpers/testing.ts";

const ROOT = new URL("../../", import.meta.url);

/**
 * Makes the runtime say that this is macOS, with a C library that lacks what Linux alone has: what is
 * optional in `src/posix/prototypes.ts`, but for where errno is, which has another name there.
 */
const PRETEND = `
Object.defineProperty(Deno, "build", { value: { ...Deno.build, os: "darwin" } });
const open = Deno.dlopen;
Object.defineProperty(Deno, "dlopen", { value: (name, prototypes) => {
  if (name !== "libSystem.B.dylib") throw new Error("macOS has no " + name);
  const everywhere = Object.entries(prototypes).filter(([, { optional }]) => !optional);
  const library = open("libc.so.6", Object.fromEntries(everywhere));
  const { symbols } = open("libc.so.6", { __errno_location: { parameters: [], result: "pointer" } });
  const missing = Object.keys(prototypes).map((name) => [name, null]);
  const all = { ...Object.fromEntries(missing), ...library.symbols, __error: symbols.__errno_location };
  return { symbols: all, close() {} };
} });
`;

/** Every module of the program. */
function modules(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return modules(new URL(`${name}/`, folder));
    return name.endsWith(".ts") ? [new URL(name, folder).href] : [];
  });
}

async function run(script: string, ...args: string[]) {
  await using directory = temporaryDirectory();
  const preload = `${directory.path}/pretend.js`;
  await Deno.writeTextFile(preload, PRETEND);
  const path = script.includes("\n") ? `${directory.path}/script.js` : script;
  if (path !== script) await Deno.writeTextFile(path, script);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-check", "-A", "--config", "deno.json"],
      ...["--preload", preload, path, ...args],
    ],
    cwd: ROOT,
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

const linuxOnly = { ignore: Deno.build.os !== "linux" };

test("darwin: every module can be loaded with what macOS has", async () => {
  const imports = modules(new URL("src/", ROOT)).map((href) =>
    `await import(${JSON.stringify(href)});`
  );
  assert.ok(imports.length > 100);
  const { code, stderr } = await run(imports.join("\n"));
  assert.equal(code, 0, stderr);
}, linuxOnly);

test(
  "darwin: the command line answers",
  async () => {
    const help = await run("main.ts", "serve", "--help");
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /--model/);
    const version = await run("main.ts", "--version");
    assert.match(version.stdout, /^mpserv \d/);
  },
  linuxOnly,
);
