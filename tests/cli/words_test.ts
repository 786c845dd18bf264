import fc from "fast-check";
import assert from "node:assert/strict";
import {
  choice,
  count,
  durationOr,
  flag,
  option,
  or,
  required,
  several,
} from "../../src/cli/options.ts";
import { UserError } from "../../src/cli/terminal.ts";
import { readWords, suggest } from "../../src/cli/command.ts";
import { test } from "../helpers/testing.ts";

const text = (text: string) => text;
const OPTIONS = {
  dryRun: flag("a switch"),
  name: option("<text>", "a value", text),
  colour: or(choice("<c>", "a choice", ["red", "blue"]), "red"),
  tag: several("<t>", "many", ["a", "b", "c"]),
  waitTime: durationOr("a duration", 500),
  size: count("a count", "size"),
};
const OPERANDS = {
  first: required(option("first", "must be there", text)),
  second: or(count("may be there", "second"), 7),
};
const SYNTAX = { name: "do", options: OPTIONS, operands: OPERANDS };
function read(...words: string[]) {
  const line = readWords(SYNTAX, words, "it do");
  assert.ok(typeof line !== "string", String(line));
  return line;
}

function refused(...words: string[]): string {
  try {
    readWords(SYNTAX, words, "it do");
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    assert.equal(error.exitCode, 2);
    return error.message;
  }
  throw new Error(`${words} was taken`);
}

test("words: what is not typed has its default, and counts as not typed", () => {
  const { options, operands, typed, program } = read("x");
  assert.deepEqual(options, {
    dryRun: false,
    name: undefined,
    colour: "red",
    tag: undefined,
    waitTime: 500,
    size: undefined,
  });
  assert.deepEqual(operands, { first: "x", second: 7 });
  assert.deepEqual([[...typed], program], [["first"], undefined]);
});

test("words: options stand anywhere, their values after a blank or an equals sign", () => {
  const { options, operands, typed } = read(
    ...["--colour", "blue", "x", "--wait-time=2s", "3", "--dry-run"],
    ...["--tag", "c", "--tag=a", "--size", "0"],
  );
  assert.deepEqual(options, {
    dryRun: true,
    name: undefined,
    colour: "blue",
    tag: ["c", "a"],
    waitTime: 2000,
    size: 0,
  });
  assert.deepEqual(operands, { first: "x", second: 3 });
  const all = ["colour", "waitTime", "dryRun", "tag", "size"];
  assert.deepEqual([...typed], [...all, "first", "second"]);
});

test("words: the next word is the value of an option, whatever it looks like", () => {
  const words = [
    "",
    "-",
    "--",
    "-5",
    "--dry-run",
    "--help",
    "a=b",
    "=",
    "\n",
    "é",
  ];
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom(...words), fc.string()),
      (value) => {
        for (const typed of [["--name", value], [`--name=${value}`]]) {
          const { options, operands } = read(...typed, "x");
          assert.deepEqual([options.name, operands.first], [value, "x"]);
          assert.equal(options.dryRun, false);
        }
      },
    ),
    { seed: 20261128, numRuns: 500 },
  );
});

test("words: an option that is typed again has its last value, and its last place", () => {
  const { options, typed } = read("--name", "a", "--dry-run", "--name=b", "x");
  assert.equal(options.name, "b");
  assert.deepEqual([...typed], ["dryRun", "name", "first"]);
});

test("words: after -- come operands, or the command line of a program", () => {
  assert.equal(read("--", "--name").operands.first, "--name");
  const line = readWords(
    { ...SYNTAX, takesProgram: true },
    ["x", "--", "ls", "--help", "--", "-1"],
    "it do",
  );
  assert.ok(typeof line !== "string");
  assert.deepEqual(line.program, ["ls", "--help", "--", "-1"]);
});

test("words: a negative number and a hyphen are values, not options", () => {
  for (const word of ["-1", "-15", "-1.5", "-.5", "-", ""]) {
    assert.equal(read(word).operands.first, word);
  }
});

test("words: help and version are asked for anywhere, but not in the place of a value", () => {
  const asked = (...words: string[]) => readWords(SYNTAX, words, "it do");
  assert.equal(asked("-h"), "help");
  assert.equal(asked("--unknown", "--help"), "help");
  assert.equal(asked("x", "y", "z", "--version"), "version");
  assert.equal(asked("--help", "--version"), "version");
  assert.equal(asked("x", "--help-all"), "helpAll");
  assert.equal(read("--name", "--version", "x").options.name, "--version");
});

test("words: what is wrong is one line, which says what it was", () => {
  const see = ": see `it do --help`";
  for (
    const [words, told] of [
      [
        ["--dry-rnu", "x"],
        `unknown option '--dry-rnu' (Did you mean --dry-run?)${see}`,
      ],
      [
        ["--dryRun", "x"],
        `unknown option '--dryRun' (Did you mean --dry-run?)${see}`,
      ],
      [
        ["--dry-run=1", "x"],
        `unknown option '--dry-run=1' (Did you mean --dry-run?)${see}`,
      ],
      [["-n", "x"], `unknown option '-n'${see}`],
      [["--constructor", "x"], `unknown option '--constructor'${see}`],
      [["--=", "x"], `unknown option '--='${see}`],
      [["x", "--name"], `option '--name <text>' needs a value${see}`],
      [[], `missing required argument 'first'${see}`],
      [
        ["x", "1", "2"],
        `too many arguments for 'do'. Expected 2 arguments but got 3: x, 1, 2${see}`,
      ],
      [
        ["x", "--colour", "green"],
        '--colour: Cannot use "green": expected one of red, blue',
      ],
      [
        ["x", "--tag", "a", "--tag", "z"],
        '--tag: Cannot use "z": expected one of a, b, c',
      ],
      [
        ["x", "y"],
        'Cannot use second "y": expected a whole number of at least 0',
      ],
      [
        ["x", "--colour", "a\n b"],
        '--colour: Cannot use "a b": expected one of red, blue',
      ],
    ] as const
  ) {
    assert.equal(refused(...words), told);
  }
});

test("suggest: names what is near, all that are equally near, and nothing that is far", () => {
  const words = ["--host", "--unix", "--limit-cpu", "--deny"];
  assert.equal(suggest("--hots", words), " (Did you mean --host?)");
  assert.equal(suggest("--limt-cpu", words), " (Did you mean --limit-cpu?)");
  assert.equal(
    suggest("cat", ["bat", "car"]),
    " (Did you mean one of bat, car?)",
  );
  assert.equal(suggest("--quiet", words), "");
  assert.equal(suggest("", words), "");
});
