/**
 * The executable. It picks a role and loads that role's code alone, so that a child process loads
 * nothing that it does not run.
 *
 * Deno reads ahead, before the first line runs, all that literal paths name: roles are looked up, so that
 * it reads the one. `deno compile` is told to embed all of `src/` (`.release/executables.ts`).
 *
 * Roles that start with `@` are not for people: a process of ours starts itself in them.
 *
 * @module
 */

const ROLES: Readonly<Record<string, string>> = {
  "@child": "./src/child/main.ts",
  "@zygote": "./src/child/zygote.ts",
  "@writer": "./src/client/writer.ts",
  "@bench": "./src/bench/role.ts",
};
const COMMANDS = "./src/cli/mod.ts";

async function run(args: readonly string[]): Promise<void> {
  // `mpclient` is compiled with `@mpclient` before whatever it is given.
  const name = args[0] === "@mpclient" ? "mpclient" : "mpserv";
  const words = name === "mpclient" ? args.slice(1) : args;
  if (Deno.build.os === "windows") {
    // Without a permission to read, only a literal path can be imported.
    return (await import("./src/cli/windows.ts")).refuseWindows(name);
  }
  const [role = "", ...rest] = words;
  // What it starts itself as has such a word before it, too.
  if (Object.hasOwn(ROLES, role)) return (await import(ROLES[role]!)).run(rest);
  return (await import(COMMANDS)).run(words, name);
}

await run(Deno.args);
