/**
 * Completions for zsh, through its own `_arguments`.
 *
 * @module
 */
import {
  type Flag,
  type Grammar,
  oneLine,
  quote,
  type Value,
} from "../../grammar.ts";

/** Makes the script. */
export function zshCompletions(programs: readonly Grammar[]): string {
  const names = programs.map(({ name }) => name);
  return `#compdef ${names.join(" ")}
# Completions for zsh: put this into a folder of fpath as _${
    names[0]
  }, or source it after compinit.

${programs.map(completeProgram).join("\n")}
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

function completeProgram(program: Grammar): string {
  const { name, commands } = program;
  if (commands.length === 0) {
    return `_${name}_words() {\n${completeOwn(program, "  ")}}\n`;
  }
  const described = commands.map((one) => `    ${quote(listed(one))}`);
  const cases = commands.map((one) =>
    `        ${one.name})\n${completeOwn(one, "          ")}          ;;`
  );
  return `_${name}_words() {
  local curcontext=$curcontext state line
  local -a commands=(
${described.join("\n")}
  )
  _arguments -C \\
${specsOf(program).map((spec) => `    ${spec} \\`).join("\n")}
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
function completeOwn(command: Grammar, indent: string): string {
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
  const operands = command.operands.map(({ name, value }, at) =>
    quote(`${at + 1}:${name}:${operandAction(value)}`)
  );
  lines.push(["_arguments -S", ...specsOf(command), ...operands].join(" \\\n"));
  return lines.join("\n").split("\n").map((line, at, all) =>
    `${indent}${all[at - 1]?.endsWith("\\") ? "  " : ""}${line}\n`
  ).join("");
}

function specsOf({ flags }: Grammar): string[] {
  return flags.map(specOf);
}

function specOf({ names, about, value }: Flag): string {
  const text = `[${oneLine(about).replaceAll(/[[\]\\]/g, "\\$&")}]`;
  const tail = value === undefined ? text : `=${text}:value:${action(value)}`;
  if (names.length === 1) return quote(`${value ? "*" : ""}${names[0]}${tail}`);
  return `${quote(`(${names.join(" ")})`)}{${names.join(",")}}${quote(tail)}`;
}

/** zsh would show a message for free text in place of the options that fit: so a command that does nothing. */
function operandAction(value: Value): string {
  return value.kind === "text" ? "{true}" : action(value);
}

function action(value: Value): string {
  switch (value.kind) {
    case "choice":
      return `(${value.choices.join(" ")})`;
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "user":
      return "_users";
    default:
      return "";
  }
}

/** A command with its description, as `_describe` wants it. */
function listed({ name, about }: Grammar): string {
  return `${name}:${oneLine(about)}`;
}
