/**
 * Completions for bash 3.2 and later, with or without the package bash-completion.
 *
 * @module
 */
import { type Grammar, quote, type Value } from "../../grammar.ts";

// What bash hands over is split at "=" and ":", so "--model=fork" comes as three words.
const HEAD = `# Completions for bash: source this, or put it into
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

/** Makes the script. */
export function bashCompletions(programs: readonly Grammar[]): string {
  return [HEAD, ...programs.map(completeProgram)].join("\n");
}

function completeProgram(program: Grammar): string {
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
    const names = flags.filter(({ value }) => value)
      .flatMap((flag) => flag.names);
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
  return branches(program).flatMap(([branch, { flags, operands, commands }]) =>
    [
      arm(`${branch}/flags`, words(flags.flatMap(({ names }) => names))),
      arm(`${branch}/0`, words(commands.map(({ name }) => name))),
      ...flags.flatMap(({ names, value }) =>
        names.map((name) => arm(`${branch}/${name}`, answer(value)))
      ),
      ...operands.map(({ value }, at) => arm(`${branch}/${at}`, answer(value))),
    ].filter((text) => text !== "")
  ).join("");
}

function arm(pattern: string, answer: string): string {
  return answer === "" ? "" : `    ${pattern}) ${answer} ;;\n`;
}

function answer(value: Value | undefined): string {
  switch (value?.kind) {
    case "choice":
      return words(value.choices);
    case "file":
      return '_mpserv_files -f "$word"';
    case "directory":
      return '_mpserv_files -d "$word"';
    case "user":
      return '_mpserv_answer < <(compgen -u -- "$word")';
    default:
      return "";
  }
}

function words(list: readonly string[]): string {
  if (list.length === 0) return "";
  return `_mpserv_answer < <(compgen -W ${quote(list.join(" "))} -- "$word")`;
}
