/**
 * `mpserv completions`: scripts with which bash, zsh and fish complete our commands, made of what can be typed.
 *
 * @module
 */
import { command } from "../command.ts";
import {
  type Flag,
  type Grammar,
  readGrammar,
  type Value,
} from "../grammar.ts";
import { choice, required } from "../options.ts";
import { PROGRAMS } from "../programs.ts";
import { print } from "../terminal.ts";

const SCRIPTS = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
};

export const completions = command({
  name: "completions",
  about: "Print completions for a shell.",
  operands: {
    shell: required(
      choice("shell", "shell to complete in", ["bash", "zsh", "fish"]),
    ),
    program: choice("program", "complete only this program", PROGRAMS),
  },
  options: {},
  begin: ({ operands: { shell, program } }) => async () => {
    const wanted = program === undefined ? PROGRAMS : [program];
    const programs = await Promise.all(wanted.map(readGrammar));
    print(SCRIPTS[shell](programs));
  },
});

// What bash hands over is split at "=" and ":", so "--model=fork" comes as three words.
const BASH = `# Completions for bash: source this, or put it into
# ~/.local/share/bash-completion/completions/ under the program's name.

# Adds the lines of its input to the answer, whatever characters are in them.
_mpserv_answer() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done
}

# Answers files or directories that start with a word.
_mpserv_files() {
  compopt -o filenames 2>/dev/null # bash 3.2 has none
  _mpserv_answer < <(compgen "$1" -- "$2")
}

# Answers with the program after "--" and what follows it.
_mpserv_program() {
  if ((COMP_CWORD == $1)); then
    compopt -o filenames 2>/dev/null
    _mpserv_answer < <(compgen -c -- "$2")
  elif declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  else
    _mpserv_files -f "$2"
  fi
}
`;

/** For bash 3.2 and later, with or without the package bash-completion. */
function bashCompletions(programs: readonly Grammar[]): string {
  return [BASH, ...programs.map(bashProgram)].join("\n");
}

function bashProgram(program: Grammar): string {
  const { name } = program;
  return `_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} command='' pending='' operand=0 at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    local before=\${COMP_WORDS[at]}
    if [[ -n $pending ]]; then
      [[ $before == '=' ]] || pending=''
      continue
    fi
    case $command/$before in
${programArms(program)}${valueArms(program)}    */-*) ;;
${commandArms(program)}    *) ((operand++)) ;;
    esac
  done
  if [[ $word == '=' ]]; then word=''; fi
  if [[ -z $pending && $word == -* ]]; then pending=flags; fi
  if [[ -z $pending ]]; then pending=$operand; fi
  case $command/$pending in
${answerArms(program)}  esac
}
complete -F _${name} ${name}
`;
}

/** A program and its commands, each with what stands for it before the slash of a pattern. */
function branches(program: Grammar): [string, Grammar][] {
  return [
    ["", program],
    ...program.commands.map((one): [string, Grammar] => [one.name, one]),
  ];
}

/** After these, another program is typed. */
function programArms(program: Grammar): string {
  return branches(program).filter(([, { takesProgram }]) => takesProgram)
    .map(([branch]) =>
      `    ${branch}/--) _mpserv_program $((at + 1)) "$word"; return ;;\n`
    )
    .join("");
}

/** These options wait for a value. */
function valueArms(program: Grammar): string {
  return branches(program).map(([branch, { flags }]) => {
    const names = flags.flatMap(({ names, value }) => value ? names : []);
    if (names.length === 0) return "";
    const patterns = names.map((name) => `${branch}/${name}`).join(" | ");
    return `    ${patterns}) pending=$before ;;\n`;
  }).join("");
}

function commandArms(program: Grammar): string {
  if (program.commands.length === 0) return "";
  const patterns = program.commands.map(({ name }) => `/${name}`).join(" | ");
  return `    ${patterns}) command=$before ;;\n`;
}

function answerArms(program: Grammar): string {
  return branches(program).flatMap((
    [branch, { flags, operands, commands }],
  ) => [
    arm(`${branch}/flags`, words(flags.flatMap(({ names }) => names))),
    arm(`${branch}/0`, words(commands.map(({ name }) => name))),
    ...flags.flatMap(({ names, value }) =>
      names.map((name) => arm(`${branch}/${name}`, bashValue(value)))
    ),
    ...operands.map(({ value }, at) =>
      arm(`${branch}/${at}`, bashValue(value))
    ),
  ]).join("");
}

function arm(pattern: string, answer: string): string {
  return answer === "" ? "" : `    ${pattern}) ${answer} ;;\n`;
}

const BASH_VALUES = {
  text: "",
  file: '_mpserv_files -f "$word"',
  directory: '_mpserv_files -d "$word"',
  user: '_mpserv_answer < <(compgen -u -- "$word")',
};

function bashValue(value: Value | undefined): string {
  if (value?.kind === "choice") return words(value.choices);
  return BASH_VALUES[value?.kind ?? "text"];
}

function words(list: readonly string[]): string {
  if (list.length === 0) return "";
  return `_mpserv_answer < <(compgen -W ${quote(list.join(" "))} -- "$word")`;
}

/** For zsh, through its own `_arguments`. */
function zshCompletions(programs: readonly Grammar[]): string {
  const names = programs.map(({ name }) => name);
  return `#compdef ${names.join(" ")}
# Completions for zsh: put this into a folder of fpath as _${
    names[0]
  }, or source it after compinit.

${programs.map(zshProgram).join("\n")}
# Loaded from fpath it is called for a program; sourced, it says what it completes.
if [[ $funcstack[1] == _${names[0]} ]]; then
  case $service in
${names.map((name) => `    ${name}) _${name}_words "$@" ;;`).join("\n")}
  esac
else
${names.map((name) => `  compdef _${name}_words ${name}`).join("\n")}
fi
`;
}

function zshProgram(program: Grammar): string {
  const { name, commands } = program;
  if (commands.length === 0) {
    return `_${name}_words() {\n${zshCommand(program, "  ")}}\n`;
  }
  const described = commands.map((one) =>
    `    ${quote(`${one.name}:${oneLine(one.about)}`)}`
  );
  const cases = commands.map((one) =>
    `        ${one.name})\n${zshCommand(one, "          ")}          ;;`
  );
  return `_${name}_words() {
  local curcontext=$curcontext state line
  local -a commands=(
${described.join("\n")}
  )
  _arguments -C \\
${program.flags.map(zshSpec).map((spec) => `    ${spec} \\`).join("\n")}
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      curcontext=\${curcontext%:*:*}:${name}-$line[1]:
      case $line[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}
`;
}

/** Completes the options and operands of one command, and the program after `--`. */
function zshCommand(command: Grammar, indent: string): string {
  const lines: string[] = [];
  if (command.takesProgram) {
    lines.push(
      "if (( ${words[(I)--]} && ${words[(I)--]} < CURRENT )); then",
      "  (( CURRENT -= ${words[(I)--]} ))",
      "  shift ${words[(I)--]} words",
      "  _normal",
      "  return",
      "fi",
    );
  }
  const operands = command.operands.map(({ name, value }, at) => {
    // It would show a message for free text in place of the options that fit: so a command that does nothing.
    const what = value.kind === "text" ? "{true}" : zshValue(value);
    return quote(`${at + 1}:${name}:${what}`);
  });
  lines.push(
    ["_arguments -S", ...command.flags.map(zshSpec), ...operands].join(" \\\n"),
  );
  return lines.join("\n").split("\n").map((line, at, all) =>
    `${indent}${all[at - 1]?.endsWith("\\") ? "  " : ""}${line}\n`
  ).join("");
}

function zshSpec({ names, about, value }: Flag): string {
  const text = `[${oneLine(about).replaceAll(/[[\]\\]/g, "\\$&")}]`;
  const tail = value === undefined ? text : `=${text}:value:${zshValue(value)}`;
  if (names.length === 1) return quote(`${value ? "*" : ""}${names[0]}${tail}`);
  return `${quote(`(${names.join(" ")})`)}{${names.join(",")}}${quote(tail)}`;
}

const ZSH_VALUES = {
  text: "",
  file: "_files",
  directory: "_files -/",
  user: "_users",
};

function zshValue(value: Value): string {
  return value.kind === "choice"
    ? `(${value.choices.join(" ")})`
    : ZSH_VALUES[value.kind];
}

const FISH = `# Completions for fish: source this, or put it into
# ~/.config/fish/completions/ as mpserv.fish (and mpclient.fish).

# The words after "--", which are another program's command line; fails without "--".
function __mpserv_program
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    or return
    string escape -- $words[(math $at + 1)..-1] 2>/dev/null
    return 0
end
# Whether the word that is typed is the operand of a number: after so many words of its command, and
# beside the values of options, whose names follow.
function __mpserv_operand -a number before
    set -l seen 0
    set -l option
    set -l words (commandline -opc)
    for word in $words[(math $before + 1)..-1]
        if contains -- "$option" $argv[3..-1]
            set option
        else if string match -q -- "-*" $word
            set option $word
        else
            set option
            set seen (math $seen + 1)
        end
    end
    test $seen -eq (math $number - 1)
end
function __mpserv_complete_program
    complete -C (string join " " -- (__mpserv_program) (commandline -ct))
end
`;

const NO_PROGRAM = "not contains -- -- (commandline -opc)";

/** For fish 3.0 and later. */
function fishCompletions(programs: readonly Grammar[]): string {
  return [FISH, ...programs.map(fishProgram)].join("\n");
}

function fishProgram(program: Grammar): string {
  const { name, commands } = program;
  const first = commands.length > 0 ? "__fish_use_subcommand" : NO_PROGRAM;
  const after = (word: string) =>
    `__fish_seen_subcommand_from ${word}; and ${NO_PROGRAM}`;
  const lines = [
    `complete -c ${name} -f`, // no files but where they are wanted
    ...fishLines(name, program, first, 1),
    ...commands.map((one) =>
      `complete -c ${name} -n __fish_use_subcommand -a ${one.name} -d ${
        quoteFish(oneLine(one.about))
      }`
    ),
    ...commands.flatMap((one) => fishLines(name, one, after(one.name), 2)),
  ];
  return lines.join("\n") + "\n";
}

function fishLines(
  name: string,
  { flags, operands, takesProgram, name: command }: Grammar,
  when: string,
  wordsBefore: number,
): string[] {
  const start = `complete -c ${name} -n ${quoteFish(when)}`;
  const lines = flags.map((flag) =>
    `${start} ${fishNames(flag)}${
      flag.value ? ` ${fishValue(flag.value)}` : ""
    } -d ${quoteFish(oneLine(flag.about))}`
  );
  const valued = flags.flatMap(({ names, value }) => value ? names : []);
  for (const [i, { value }] of operands.entries()) {
    if (value.kind === "text") continue;
    const test = ["__mpserv_operand", i + 1, wordsBefore, ...valued];
    const what = value.kind === "choice"
      ? `-a ${quoteFish(value.choices.join(" "))}`
      : "-F";
    lines.push(
      `complete -c ${name} -n ${
        quoteFish(`${when}; and ${test.join(" ")}`)
      } ${what}`,
    );
  }
  if (takesProgram) {
    const after =
      `__fish_seen_subcommand_from ${command}; and __mpserv_program >/dev/null`;
    lines.push(
      `complete -c ${name} -n ${
        quoteFish(after)
      } -x -a "(__mpserv_complete_program)"`,
    );
  }
  return lines;
}

function fishNames({ names }: Flag): string {
  return names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  ).join(" ");
}

const FISH_VALUES = {
  text: "-x",
  file: "-r -F",
  directory: '-x -a "(__fish_complete_directories)"',
  user: '-x -a "(__fish_complete_users)"',
};

function fishValue(value: Value): string {
  return value.kind === "choice"
    ? `-x -a ${quoteFish(value.choices.join(" "))}`
    : FISH_VALUES[value.kind];
}

/** In fish's single quotes only a quote and a backslash are special. */
function quoteFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}

/** A text as one word of bash or zsh, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
