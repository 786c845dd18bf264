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
  if (Deno.env.get("AS_XNU")) {
    // As XNU does it: no option of a socket that is shut (EINVAL), and no look at what is polled for no event.
    all.setsockopt = (fd, _level, _name, value) => library.symbols.setsockopt(fd, 1, 20, value, 1);
    all.poll = () => 0;
  }
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

async function run(
  script: string,
  args: string[] = [],
  env: Record<string, string> = {},
) {
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
    env,
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
    const help = await run("main.ts", ["serve", "--help"]);
    assert.equal(help.code, 0, help.stderr);
    assert.match(help.stdout, /--model/);
    const version = await run("main.ts", ["--version"]);
    assert.match(version.stdout, /^mpserv \d/);
  },
  linuxOnly,
);

test(
  "darwin: a socket that is shut takes no options, which is no error; descriptors are looked at one by one",
  async () => {
    const at = (path: string) => JSON.stringify(new URL(path, ROOT).href);
    const script = `
import { setTimeouts, socketPair } from ${at("src/posix/net/sockets.ts")};
import { openDescriptors } from ${at("src/posix/fd.ts")};
const [one, other] = socketPair();
setTimeouts(one.number, 1000);
const open = openDescriptors(256);
console.log(open.includes(one.number) && open.includes(other.number) && open.length < 200);`;
    const { code, stdout, stderr } = await run(script, [], { AS_XNU: "1" });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "true\n");
  },
  linuxOnly,
);
