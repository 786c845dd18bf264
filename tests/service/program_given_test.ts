/** What a program gets is what the server was given: its arguments, its environment, and limits as others give them. */
import assert from "node:assert/strict";
import { commandLine, runCommand } from "../helpers/command.ts";
import { type Model, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "./program_models.ts";

const none = new Uint8Array(0);
const isRoot = Deno.uid() === 0;
/** Deno 2.7 itself refuses to start with an argument that is not UTF-8. */
const takesBytes = !Deno.version.deno.startsWith("2.7.");
/** `é` in Latin-1, a byte order mark, a half of a character, and all that UTF-8 cannot be. */
const BYTES = String
  .raw`caf\351.txt\357\273\277\303 \377\300\200\355\240\200 \360\237\222`;
const WORD = `$(printf '${BYTES}')`;

/** Words that run a command from a shell, which can say what no text of JavaScript can. */
const shell = (script: string) => ["/bin/sh", "-c", script, "sh"];

/** A program, and how its server is started. */
interface Started {
  readonly program: readonly string[];
  readonly args?: readonly string[];
  readonly through?: readonly string[];
}

/** What a program sends to a client that sends nothing. */
async function outputOf(
  model: Model,
  { program, args = [], through = [] }: Started,
): Promise<string> {
  const line = [...args, "--", ...program];
  await using server = await startServer({ model, args: line, through });
  using conn = await connect(server.port);
  return new TextDecoder().decode(await exchange(conn, none));
}

for (const model of programModels()) {
  const output = (started: Started) => outputOf(model, started);
  const hex = (text: string) =>
    text.trim().split(/\s+/).map((two) => parseInt(two, 16));
  const expected = () => {
    const { stdout } = new Deno.Command("printf", { args: [BYTES] })
      .outputSync();
    return [...stdout];
  };
  const dump = 'printf %s "$1" | od -An -v -tx1';

  test(
    `given (${model}): arguments and variables arrive byte by byte`,
    async () => {
      const said = await output({
        program: [
          "sh",
          "-c",
          `${dump}; echo .; set -- "$GIVEN"; ${dump}`,
          "sh",
        ],
        args: ["--grant", "env=GIVEN"],
        through: shell(`GIVEN="${WORD}" exec "$@" "${WORD}"`),
      });
      const bytes = expected();
      assert.deepEqual(said.split(".").map(hex), [bytes, bytes]);
    },
    { ignore: !takesBytes },
  );

  test(
    `given (${model}): a program whose path is not UTF-8 is run`,
    async () => {
      await using directory = temporaryDirectory();
      const file = `"${directory.path}/$(printf '\\351')"`;
      const said = await output({
        program: [],
        through: shell(
          `printf '#!/bin/sh\\necho "got $1"\\n' >${file}; chmod +x ${file}; exec "$@" ${file} it`,
        ),
      });
      assert.equal(said, "got it\n");
    },
    { ignore: !takesBytes },
  );

  test(`given (${model}): without PATH it is found where execvp looks, and finds none`, async () => {
    const said = await output({
      program: ["env"],
      through: ["/usr/bin/env", "-u", "PATH"],
    });
    assert.doesNotMatch(said, /^PATH=/m);
    assert.match(said, /^PROTO=TCP$/m);
  });

  test(`given (${model}): --user sets HOME, USER and LOGNAME`, async () => {
    const told = async (user: string) => {
      const text = await output({
        program: ["env"],
        args: ["--user", user],
        through: ["/usr/bin/env", "HOME=/root", "USER=root", "LOGNAME=root"],
      });
      const lines = text.split("\n");
      return lines.filter((line) => /^(HOME|USER|LOGNAME)=/.test(line)).sort();
    };
    const { stdout } = new Deno.Command("sh", {
      args: ["-c", "echo ~daemon"],
    }).outputSync();
    const home = new TextDecoder().decode(stdout).trim();
    const daemon = [`HOME=${home}`, "LOGNAME=daemon", "USER=daemon"];
    assert.deepEqual(await told("daemon"), daemon);
    if (model !== "spawn") return; // whom else there may be, the parent looks up
    assert.deepEqual(await told("daemon:nogroup"), daemon);
    assert.deepEqual(await told("54321:54321"), ["HOME=/"]); // who has no entry
  }, { ignore: !isRoot });

  const limits = ["sh", "-c", "ulimit -Sn; ulimit -Hn"];
  for (
    const [what, given, args, told, everywhere] of [
      ["1024 of a hard limit that stays", "-Hn 3000", [], "1024 3000", true],
      [
        "1024 also where that was the server's",
        "-Sn 1024",
        [],
        "1024 3000",
        false,
      ],
      ["all of a lower one", "-n 600", [], "600 600", false],
      [
        "what --limit-files says",
        "-Hn 3000",
        ["--limit-files", "2000"],
        "2000 2000",
        true,
      ],
    ] as const
  ) {
    if (model !== "spawn" && !everywhere) continue; // the parent's reckoning
    test(`given (${model}): its soft limit of descriptors is ${what}`, async () => {
      const said = await output({
        program: limits,
        args,
        through: shell(
          `ulimit -n 3000; ulimit ${given}; exec "$@"`,
        ),
      });
      assert.equal(said.trim().replace("\n", " "), told);
    });
  }
}

for (const model of anyProgramModel()) {
  const output = (started: Started) => outputOf(model, started);

  test(`given (${model}): a replacement character that was typed is one`, async () => {
    const said = await output({
      program: ["printf", "%s", "\ufffd"],
      through: ["/usr/bin/env", "-u", "INIT_CWD", "-u", "npm_execpath"],
    });
    assert.equal(said, "\ufffd");
  });

  test(`given (${model}): PATH has no directory of the runtime's, also where there is no Node`, async () => {
    await using directory = temporaryDirectory();
    const said = await output({
      program: ["/usr/bin/env"],
      through: ["/usr/bin/env", `PATH=${directory.path}`],
    });
    assert.match(said, new RegExp(`^PATH=${directory.path}$`, "m"));
  });
}

test("given: what was altered on its way is refused, and so is an option that is not UTF-8", async () => {
  const altered = await runCommand(["serve", "0", "--", "cat", "caf\ufffd"], {
    env: { INIT_CWD: "/" },
  });
  assert.match(
    altered.stderr,
    /^error: Cannot use the argument "caf\ufffd": [^\n]+: start mpserv directly\n$/,
  );
  assert.equal(altered.code, 2);
  if (!takesBytes) return;
  const { code, stderr } = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      `exec "$@" --chdir "$(printf '\\351')"`,
      "sh",
      ...commandLine(["serve", "0"]),
    ],
  }).outputSync();
  assert.match(
    new TextDecoder().decode(stderr),
    /^error: Cannot use the argument "\ufffd": it is not UTF-8[^\n]+\n$/,
  );
  assert.equal(code, 2);
});
