/**
 * The executable. It picks a role and loads that role's code alone, so that a child process loads
 * nothing that it does not run. The paths are literal: `deno compile` embeds what they name.
 *
 * Roles that start with `@` are not for people: a process of ours starts itself in them.
 *
 * @module
 */

async function run(args: readonly string[]): Promise<void> {
  // `mpclient` is compiled with `@mpclient` before whatever it is given.
  const name = args[0] === "@mpclient" ? "mpclient" : "mpserv";
  if (Deno.build.os === "windows") {
    const { refuseWindows } = await import("./src/cli/windows.ts");
    return refuseWindows(name);
  }
  // `mpserv 9190` is the seed's own command line: a number where a command is due means to serve there.
  const words = name === "mpclient"
    ? args.slice(1)
    : /^\d+$/.test(args[0] ?? "")
    ? ["serve", ...args]
    : args;
  // What it starts itself as has that word before it, too.
  const isCommand = name === "mpclient" && !words[0]?.startsWith("@");
  const [role, ...rest] = isCommand ? ["client", ...words] : words;
  switch (role) {
    case "@child":
      return (await import("./src/child/main.ts")).run(rest);
    case "@zygote":
      return (await import("./src/child/zygote.ts")).run(rest);
    case "@writer":
      return (await import("./src/client/writer.ts")).run(rest);
    case "@bench":
      return (await import("./src/bench/role.ts")).run(rest);
    case "client":
      (await import("./src/client/early_writer.ts")).startEarly(rest);
      return (await import("./src/cli/mod.ts")).run(words, name);
    case "serve":
      (await import("./src/cli/early_zygote.ts")).startEarly(rest);
      return (await import("./src/cli/mod.ts")).run(words, name);
    default:
      return (await import("./src/cli/mod.ts")).run(words, name);
  }
}

await run(Deno.args);
