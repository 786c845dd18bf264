import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { TerminalSession } from "./terminal_session.ts";

/** The typed text up to TAB, and the arguments that the program then gets. */
const TYPED: readonly (readonly [typed: string, completed: string])[] = [
  ["mpserv ser\t", "serve"],
  ["mpserv --vers\t", "--version"],
  ["mpserv serve --mod\t", "serve --model"],
  ["mpserv serve --model fo\t", "serve --model fork"],
  ["mpserv serve --model=sp\t", "serve --model=spawn"],
  ["mpserv serve 80 --log-format j\t", "serve 80 --log-format json"],
  [
    "mpserv serve --handler DIRECTORY/a_handl\t",
    "serve --handler DIRECTORY/a_handler.ts",
  ],
  ["mpserv serve --chdir /usr/loc\t", "serve --chdir /usr/local"],
  [
    "mpserv serve --model pool --user nobod\t",
    "serve --model pool --user nobody",
  ],
  ["mpserv serve 80 -- /bin/mkfif\t", "serve 80 -- /bin/mkfifo"],
  ["mpserv serve 80 -- cat /etc/host.c\t", "serve 80 -- cat /etc/host.conf"],
  ["mpserv client --lo\t", "client --lock-step"],
  ["mpserv completions f\tmpc\t", "completions fish mpclient"],
  ["mpserv help cli\t", "help client"],
  ["mpclient --no-p\t", "--no-prefix"],
];

/** The same, with a handler in a directory. */
function typedWith(directory: string) {
  Deno.writeTextFileSync(`${directory}/a_handler.ts`, "");
  const here = (text: string) => text.replace("DIRECTORY", directory);
  return TYPED.map(([typed, completed]) =>
    [here(typed), here(completed)] as const
  );
}

/** Each shell without what a person configured, and what it needs before completions are sourced. */
const SHELLS = [
  ["bash", "bash --norc --noprofile -i", "true"],
  ["zsh", "zsh -f -i", "autoload -Uz compinit; compinit -u -D"],
] as const;

for (const [shell, line, prepare] of SHELLS) {
  test(
    `completions ${shell}: TAB completes commands, options, values, files and programs`,
    async () => {
      await using directory = temporaryDirectory();
      const script = await completions(shell, directory.path);
      await using session = new TerminalSession(line);
      const show = `{ echo "got:\${*%/} end"; }`; // for the programs; zsh itself drops the slash
      await session.type(
        `mpserv() ${show}; mpclient() ${show}; ${prepare}; source ${script}; echo rea''dy\n`,
        "ready",
      );
      for (const [typed, completed] of typedWith(directory.path)) {
        await session.type(`${typed}\n`, `got:${completed} end`);
      }
    },
    { ignore: missing(`completions of ${shell}`, shell, "script") },
  );
}

test(
  "completions fish: commands, options, values, files and programs are offered",
  async () => {
    await using directory = temporaryDirectory();
    const script = await completions("fish", directory.path);
    for (const [typed, completed] of typedWith(directory.path)) {
      const words = typed.split("\t")[0]!;
      const [whole] = completed.split(" ").slice(words.split(" ").length - 2);
      const offered = await run("fish", [
        "--no-config",
        "-c",
        `source ${script}; complete -C '${words}'`,
      ]);
      assert.match(offered, new RegExp(`^${whole}/?(\\t|$)`, "m"), words);
    }
  },
  { ignore: missing("completions of fish", "fish") },
);

test(
  "completions fish: each operand has its own choices, options and their values beside it or not",
  async () => {
    await using directory = temporaryDirectory();
    const script = await completions("fish", directory.path);
    for (
      const [words, expected] of [
        ["mpserv completions ", ["bash", "fish", "zsh"]],
        ["mpserv completions bash ", ["mpclient", "mpserv"]],
        ["mpserv completions bash mpserv ", []],
        ["mpserv man ", ["mpclient", "mpserv"]],
      ] as const
    ) {
      const offered = await run("fish", [
        "--no-config",
        "-c",
        `source ${script}; complete -C '${words}'`,
      ]);
      const found = offered.split("\n").map((line) => line.split("\t")[0]!)
        .filter((word) => /^[a-z]/.test(word)).sort();
      assert.deepEqual(found, expected, words);
    }
    const counted = await run("fish", [
      "--no-config",
      "-c",
      `source ${script}
       complete -c numbers -f
       for number in 1 2 3
         complete -c numbers -n "__mpserv_operand $number 1 --size" -a operand$number
       end
       for words in "" "--size 3 " "--quiet " "a --size 3 " "a --quiet b "
         complete -C "numbers $words"
       end`,
    ]);
    assert.deepEqual(counted.trim().split("\n"), [
      "operand1",
      "operand1",
      "operand1",
      "operand2",
      "operand3",
    ]);
  },
  { ignore: missing("operands of fish", "fish") },
);

test(
  "completions bash: a program's own words are not evaluated, and sourcing twice is well",
  async () => {
    await using directory = temporaryDirectory();
    const script = await completions("bash", directory.path);
    const told = await run("bash", [
      "--norc",
      "-c",
      `source ${script} && source ${script} && complete -p mpserv mpclient
    COMP_WORDS=(mpserv serve '$(touch ${directory.path}/evaluated)' --ser) COMP_CWORD=3
    _mpserv; echo "\${COMPREPLY[@]}"`,
    ]);
    assert.equal(
      told,
      "complete -F _mpserv mpserv\ncomplete -F _mpclient mpclient\n--service\n",
    );
    assert.deepEqual(
      [...Deno.readDirSync(directory.path)].map(({ name }) => name),
      ["bash"],
    );
  },
  { ignore: missing("completions of bash", "bash") },
);

test("completions: one program alone, and nothing for an unknown shell", async () => {
  const { stdout } = await runHere(["completions", "bash", "mpclient"]);
  assert.match(stdout, /^complete -F _mpclient mpclient$/m);
  assert.doesNotMatch(stdout, /_mpserv mpserv/);
  const wrong = await runHere(["completions", "tcsh"]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(
    wrong.stderr,
    /^error: [^\n]*tcsh[^\n]*bash, zsh, fish[^\n]*\n$/,
  );
});

async function completions(shell: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await runHere(["completions", shell]);
  assert.deepEqual([code, stderr], [0, ""]);
  const path = `${folder}/${shell}`;
  await Deno.writeTextFile(path, stdout);
  return path;
}

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
