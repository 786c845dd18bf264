/** Help, manual pages and completions say the same, and fit where they are read. */
import assert from "node:assert/strict";
import {
  type Grammar,
  groupsOf,
  pagePartsOf,
  readGrammar,
} from "../../src/cli/grammar.ts";
import { understand } from "../../src/cli/run.ts";
import {
  PROGRAM_VARIABLES,
  RUNTIME_VARIABLES,
} from "../../src/runtime/roles.ts";
import { runHere } from "../helpers/run_here.ts";
import { test } from "../helpers/testing.ts";

/** The terminal that nobody made larger. */
const LINES = 24, COLUMNS = 80;
/** So wide a line of the whole help may be. */
const WIDEST = 120;

const mpserv = await readGrammar("mpserv");
const { commands } = mpserv;
const mpclient = await readGrammar("mpclient");
const { flags: serveFlags } = commands.find(({ name }) => name === "serve")!;

const GROUPS = [
  "Listen",
  "Process model",
  "What serves",
  "Limits of connections",
  "Limits of time",
  "Limits of processes",
  "Operation",
  "Logs",
];

async function printed(...words: string[]): Promise<string> {
  const { stdout, stderr, code } = await runHere(words);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

const headingsIn = (text: string) =>
  [...text.matchAll(/^([A-Z][\w ()]*):$/gm)].map(([, it]) => it);

test("help: the options of serve stand in groups, in the order in which a person meets them", async () => {
  assert.deepEqual(headingsIn(await printed("serve", "--help")), GROUPS);
  assert.deepEqual(headingsIn(await printed("serve", "--help-all")), [
    ...GROUPS,
    "Examples",
    "Values",
    "Signals",
    "Environment",
    "Exit codes",
  ]);
});

for (const { name, flags } of commands) {
  test(`help ${name}: --help fits a terminal, and says how to see the rest`, async () => {
    const short = await printed(name, "--help");
    const lines = short.trimEnd().split("\n");
    assert.ok(lines.length < LINES, `${lines.length} lines, and the prompt`);
    for (const line of lines) assert.ok(line.length <= COLUMNS, line);
    const { page } = commands.find((one) => one.name === name)!;
    const hasMore = Object.keys(page).length > 0;
    const more = new RegExp(`: mpserv ${name} --help-all$`);
    assert.equal(more.test(lines.at(-1)!), hasMore, lines.at(-1));
    if (name !== "help") assert.equal(await printed("help", name), short);
    const some = flags.filter(({ isEveryday }) => isEveryday);
    for (const { term, about } of some) {
      const found = lines.filter((line) => line.startsWith(`  ${term} `));
      assert.equal(found.length, 1, term);
      assert.ok(found[0]!.includes(`  ${about}`), term);
    }
  });

  test(`help ${name}: --help-all has each option and operand in one line`, async () => {
    const grammar = commands.find((one) => one.name === name)!;
    const lines = (await printed(name, "--help-all")).split("\n");
    for (const line of lines) assert.ok(line.length <= WIDEST, line);
    for (const { term, details } of [...groupsOf(grammar).values()].flat()) {
      const found = lines.filter((line) => line.startsWith(`  ${term} `));
      assert.equal(found.length, 1, term);
      assert.ok(found[0]!.endsWith(`  ${details}`), found[0]);
    }
    for (const [title, rows] of pagePartsOf(grammar)) {
      assert.ok(lines.includes(`${title}:`), title);
      for (const [term, what] of rows) {
        const found = lines.filter((line) => line.startsWith(`  ${term}  `));
        assert.ok(found.some((line) => line.endsWith(`  ${what}`)), term);
      }
    }
  });
}

test("help: mpserv lists every command on one screen, and explains each by help, too", async () => {
  const stdout = await printed("help");
  const lines = stdout.trimEnd().split("\n");
  assert.ok(lines.length < LINES, stdout);
  for (const line of lines) assert.ok(line.length <= COLUMNS, line);
  for (const { name } of commands) {
    assert.match(stdout, new RegExp(`^ {2}${name} +\\S`, "m"));
  }
  assert.equal(await printed("help", "help"), await printed("help", "--help"));
  const wrong = await runHere(["help", "sevre"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /^error: Cannot use "sevre": \w+ one of serve, /);
});

test("help: mpserv COMMAND help is mpserv help COMMAND, where no host can have that name", async () => {
  for (const name of ["serve", "status", "completions"]) {
    assert.equal(await printed(name, "help"), await printed("help", name));
  }
  const { code, stderr } = await runHere(["client", "help", "1"]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: Cannot [^\n]*help/);
});

test("help: serve, client and bench have five examples each, and every example is a command line", async () => {
  for (const program of [mpclient, ...commands]) {
    const { name, page: { examples = [] } } = program;
    if (/^(serve|client|bench|mpclient)$/.test(name)) {
      assert.equal(examples.length, 5, name);
    }
    for (const [line] of examples) {
      // Without the parts for the shell.
      const [, typed = ""] = /\b(mp(?:serv|client)(?: [^|<>]*[^|<>)\s])?)/
        .exec(line) ?? [];
      const [called, ...words] = typed.split(" ");
      await understand(words, called as "mpserv" | "mpclient");
    }
  }
});

/** A manual page as a person reads it, without its markup. */
const plain = (roff: string) =>
  roff.replaceAll(/\\f[BR]|\\&/g, "").replaceAll("\\-", "-")
    .replaceAll("\\(aq", "'").replaceAll("\\(dq", '"').replaceAll("\\e", "\\")
    .replaceAll(/\s+/g, " ");

/** Each of a program's grammars. */
const withCommands = (program: Grammar) => [program, ...program.commands];

for (const program of [mpserv, mpclient]) {
  test(`help: the manual page of ${program.name} says what the help says`, async () => {
    const page = plain(await printed("man", program.name));
    for (const grammar of withCommands(program)) {
      for (const { term, details } of [...groupsOf(grammar).values()].flat()) {
        assert.ok(page.includes(` ${term} ${details} `), `${term} ${details}`);
      }
      for (const [, rows] of pagePartsOf(grammar)) {
        for (const [term, what] of rows) {
          assert.ok(page.includes(` ${term} ${what} `), `${term} ${what}`);
        }
      }
    }
  });

  for (const shell of ["bash", "zsh", "fish"]) {
    test(
      `help: completions of ${program.name} for ${shell} have every option${
        shell === "bash" ? "" : ", and say of it what the help says"
      }`,
      async () => {
        const script = await printed("completions", shell, program.name);
        for (const { flags } of withCommands(program)) {
          for (const { names, about } of flags) {
            for (const name of names) {
              const shown = shell !== "fish"
                ? name
                : name.startsWith("--")
                ? `-l ${name.slice(2)} `
                : `-s ${name.slice(1)} `;
              assert.ok(script.includes(shown), name);
            }
            if (shell === "bash") continue; // it shows no descriptions
            // As each shell quotes it.
            const said = shell === "zsh"
              ? about.replaceAll(/[[\]\\]/g, "\\$&").replaceAll("'", "'\\''")
              : about.replaceAll(/['\\]/g, "\\$&");
            assert.ok(script.includes(said), about);
          }
        }
      },
    );
  }
}

test("help: the variables that reach handlers and programs are those that the help names", () => {
  const { variables = [] } = commands.find(({ name }) => name === "serve")!
    .page;
  const passed = (to: string) =>
    variables.filter(([, what]) =>
      what.startsWith("passed to ") && what.includes(to)
    ).flatMap(([names]) => names.split(", ")).sort();
  assert.deepEqual(passed("handlers"), [...RUNTIME_VARIABLES].sort());
  assert.deepEqual(passed("programs"), [...PROGRAM_VARIABLES].sort());
});

test("help: a dozen options of serve are everyday ones", () => {
  const everyday = serveFlags.filter(({ isEveryday }) => isEveryday);
  assert.ok(everyday.length >= 10 && everyday.length <= 12);
});
