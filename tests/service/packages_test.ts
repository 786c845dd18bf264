/** Packages that a handler needs are got once, at start, by the parent; children stay offline. */
import assert from "node:assert/strict";
import { commandLine, runCommand } from "../helpers/command.ts";
import { EmulatedTerminal } from "../helpers/emulated_terminal.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { say } from "../helpers/handler_server.ts";
import { project, telling } from "../helpers/project_files.ts";
import { models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

const REGISTRY = "https://registry.npmjs.org/ms";

/** Whether npm's registry can be reached; where it cannot, that is said, and nothing is tested. */
const isOnline = !isCompiled && await (async () => {
  try {
    const { ok, body } = await fetch(REGISTRY, {
      signal: AbortSignal.timeout(20_000),
    });
    await body?.cancel();
    if (ok) return true;
  } catch {
    // It cannot.
  }
  const line = `SKIPPED: packages of handlers: ${REGISTRY} cannot be had\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return false;
})();

const HANDLER = telling('ms("2 days")', 'import ms from "ms";');

for (const model of models()) {
  // Who gets them is the parent; what lies in node_modules, a zygote reads, too.
  for (const modules of model === "spawn" ? ["none", "auto"] : ["auto"]) {
    if (model === "pool") continue; // its zygote is that of \`fork\`
    test(
      `packages (${model}, nodeModulesDir ${modules}): are got before it listens, as the lock file wants them`,
      async () => {
        await using cache = temporaryDirectory();
        await using directory = project({
          "deno.json": {
            imports: { ms: "npm:ms@^2.1.0" },
            nodeModulesDir: modules,
          },
          // Not the newest that would do.
          "deno.lock": {
            version: "5",
            specifiers: { "npm:ms@^2.1.0": "2.1.2" },
            npm: {
              "ms@2.1.2": {
                integrity:
                  "sha512-sGkPx+VjMtmA6MX27oA4FBFELFCZZ4S4XqeGOXCv68tT+jb3vk/RyaKWP0PTKyWtmLSM0b+adUTEvbs1PEaH2w==",
              },
            },
            workspace: { dependencies: ["npm:ms@^2.1.0"] },
          },
          "src/handler.ts": `${
            telling(
              'ms("2 days") + " " + about.version',
              'import ms from "ms";',
              'import about from "ms/package.json" with { type: "json" };',
            )
          }`,
        });
        await using server = await startServer({
          model,
          args: ["--handler", `${directory.path}/src/handler.ts`],
          env: {
            DENO_DIR: cache.path,
            DENO_TLS_CA_STORE: "system,mozilla",
          },
        });
        for (let i = 0; i < 3; i++) {
          assert.equal(await say(server.port, ""), "172800000 2.1.2");
        }
        assert.deepEqual(server.log.others, []);
      },
      { ignore: !isOnline },
    );
  }
}

test(
  "packages: one that the registry does not have is told in one line",
  async () => {
    await using directory = project({
      "handler.ts": HANDLER.replace('"ms"', '"npm:@mpserv-test/none@1"'),
    });
    const handler = `${directory.path}/handler.ts`;
    const { code, stderr } = await runCommand(
      ["serve", "0", "--handler", handler],
      { env: { DENO_TLS_CA_STORE: "system,mozilla" } },
    );
    assert.match(
      stderr,
      /^error: Cannot get the packages of handler ".*": [^\n]*@mpserv-test\/none[^\n]*\n$/,
    );
    assert.equal(code, 1);
  },
  { ignore: !isOnline },
);

test(
  "packages: on a terminal a line says how many have come, and is gone when it listens",
  async () => {
    await using cache = temporaryDirectory();
    await using directory = project({
      "handler.ts": HANDLER.replace('"ms"', '"npm:ms@2.1.2"'),
    });
    const handler = `${directory.path}/handler.ts`;
    const line = commandLine(["serve", "0", "--handler", handler]);
    const variables = [
      `DENO_DIR=${cache.path}`,
      "DENO_TLS_CA_STORE=system,mozilla",
    ];
    await using terminal = new EmulatedTerminal(
      ["env", ...variables, ...line],
      [10, 300],
    );
    await terminal.shows("listening on");
    assert.ok(
      terminal.sent.includes(`\x1b[Kgetting packages of ${handler}: 1`),
    );
    const shown = terminal.lines.join("\n");
    assert.ok(!shown.includes("getting packages"), shown);
    await terminal.type("\x03");
    assert.equal(await terminal.exit(), 0);
  },
  { ignore: !isOnline || missing("packages, on a terminal", "python3") },
);
