/** The examples of what serves do what they show. */
import { DEADLINE } from "./helpers/testing.ts";
import assert from "node:assert/strict";
import { commandLine } from "./helpers/command.ts";
import { bundle, isCompiled } from "./helpers/handler_file.ts";
import { blocksOf, fileName, stepsOf } from "./helpers/readme.ts";
import { anyModel, type Model, startServer } from "./helpers/server.ts";
import { temporaryDirectory, test } from "./helpers/testing.ts";
import { connect, exchange } from "./helpers/wire_client.ts";

/** Those of README.md are run by `tests/readme/`, but for its handler. */
const blocks = [
  ...blocksOf("README.md").filter(({ text }) => text.includes("upper.ts")),
  ...blocksOf("src/service/README.md"),
];

/** A directory with the files that are shown, and `mpserv` as a command in its `bin`. */
function workplace() {
  const directory = temporaryDirectory();
  const { path } = directory;
  for (const block of blocks) {
    const name = fileName(block);
    if (name !== undefined) {
      Deno.writeTextFileSync(`${path}/${name}`, block.text);
    }
  }
  Deno.mkdirSync(`${path}/bin`);
  const line = commandLine([]).map((word) => `'${word}'`).join(" ");
  Deno.writeTextFileSync(
    `${path}/bin/mpserv`,
    `#!/bin/sh\nexec ${line} "$@"\n`,
    { mode: 0o755 },
  );
  return directory;
}

/** A shell command in a directory. */
async function run(command: string, path: string): Promise<string> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd: path,
    env: { PATH: `${path}/bin:${Deno.env.get("PATH")}` },
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE),
  }).output();
  return new TextDecoder().decode(stdout);
}

/** The words after `mpserv serve`: the shown port, and the rest. */
function serveArguments(command: string): { port: string; args: string[] } {
  const [port = "", ...args] = command.replace(/^mpserv serve | &$/g, "").split(
    " ",
  );
  return { port, args };
}

/** Programs that an example needs, and that are not here. */
function missing(text: string): string[] {
  return ["/usr/sbin/micro-httpd", "curl"].filter((program) => {
    if (!text.includes(program)) return false;
    const found = new Deno.Command("sh", {
      args: ["-c", `command -v ${program}`],
      stdout: "null",
    }).outputSync();
    return !found.success;
  });
}

/** Runs a console block: servers in the background, everything else by a shell. */
async function follow(steps: ReturnType<typeof stepsOf>, model: Model) {
  await using directory = workplace();
  await using stack = new AsyncDisposableStack();
  const ports = new Map<string, number>();
  for (const { command, output } of steps) {
    if (command.startsWith("mpserv serve ")) {
      const { port, args } = serveArguments(command);
      const server = await startServer({
        model,
        args,
        through: ["/bin/sh", "-c", `cd ${directory.path}; exec "$@"`, "sh"],
      });
      stack.use(server);
      ports.set(port, server.port);
      continue;
    }
    let here = command;
    for (const [shown, port] of ports) here = here.replaceAll(shown, `${port}`);
    assert.equal(await run(here, directory.path), output, command);
  }
}

for (const block of blocks.filter(({ language }) => language === "console")) {
  const absent = missing(block.text);
  // Where handlers must be JavaScript, what is shown does not work, as is said there.
  const ignore = absent.length > 0 ||
    (isCompiled && block.text.includes(".ts"));
  for (const model of anyModel()) {
    if (model === "pool" && block.text.includes(" -- ")) continue;
    test(
      `${block.file}, line ${block.line} (${model}): prints what it shows${
        absent.length > 0 ? ` [SKIPPED: no ${absent}]` : ""
      }`,
      () => follow(stepsOf(block), model),
      { ignore },
    );
  }
}

test("documents: show a handler, a program and a grant", () => {
  const commands = blocks.filter(({ language }) => language === "console")
    .flatMap(stepsOf).map(({ command }) => command).join("\n");
  for (const part of ["--handler", "--grant", " -- "]) {
    assert.ok(commands.includes(part), part);
  }
});

test("src/service/README.md: the calculator gives the same answers over a Deno.Conn", async () => {
  await using directory = workplace();
  const file = `${directory.path}/calculator.ts`;
  const { default: calculator } = await import(`file://${file}`);
  const sums = new TextEncoder().encode("1 + 2\n6 * 7\n1 /\n");
  const answers = async (port: number) => {
    using conn = await connect(port);
    return new TextDecoder().decode(await exchange(conn, sums));
  };
  await using server = await startServer({
    args: ["--handler", isCompiled ? await bundle(file) : file],
  });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = listener.accept().then(async (conn) => {
    await calculator(conn);
    conn.close();
  });
  const expected = await answers(listener.addr.port);
  await served;
  assert.equal(expected, "3\n42\ncannot calculate: 1 /\n");
  assert.equal(await answers(server.port), expected);
});
