/**
 * The executable. It picks a role and loads that role's code alone, so that a process loads nothing that it does
 * not run.
 *
 * Deno reads ahead, before the first line runs, all that literal paths name: what is loaded is looked up, so that
 * it reads that alone.
 *
 * @module
 */

/**
 * Roles that a process of ours starts itself in. From source it starts on a file of its own for each
 * (`src/runtime/roles.ts`).
 */
const ROLES = ["@child", "@zygote", "@writer", "@bench"];
const COMMANDS = "./src/cli/run.ts";

/**
 * The bundle of an executable that has what is asked for (`.release/bundles.ts`): each role has one, and so have
 * the commands that are started often, since V8 reads all of a bundle before it runs any.
 */
function bundleOf(word: string): string {
  if (ROLES.includes(word)) return `./roles/${word.slice(1)}.js`;
  if (word === "client") return "./roles/client.js";
  return /^(serve|\d+)$/.test(word)
    ? "./roles/serve.js"
    : "./roles/commands.js";
}

/** Windows has no fork, no descriptor passing and no half-close by descriptor. */
function refuseWindows(name: string): never {
  const line =
    `Cannot run on Windows: ${name} needs a POSIX system: use WSL (https://learn.microsoft.com/windows/wsl), Linux or macOS\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.exit(1);
}

// `mpclient` is compiled with `@mpclient` before whatever it is given, and what it starts itself as has that, too.
const isClient = Deno.args[0] === "@mpclient";
const word = Deno.args[isClient ? 1 : 0] ?? "";
if (Deno.build.os === "windows") {
  refuseWindows(isClient ? "mpclient" : "mpserv");
} else if (Deno.build.standalone) {
  await import(bundleOf(isClient && !ROLES.includes(word) ? "client" : word));
} else {
  await (await import(COMMANDS)).run(Deno.args);
}
