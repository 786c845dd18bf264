/**
 * Completions for fish 3.0 and later.
 *
 * @module
 */
import { type Flag, type Grammar, oneLine, type Value } from "../../grammar.ts";

const HEAD = `# Completions for fish: source this, or put it into
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

/** Makes the script. */
export function fishCompletions(programs: readonly Grammar[]): string {
  return [HEAD, ...programs.map(completeProgram)].join("\n");
}

function completeProgram(program: Grammar): string {
  const { name, commands } = program;
  const lines = [
    `complete -c ${name} -f`, // no files but where they are wanted
    ...ownLines(
      name,
      program,
      commands.length > 0 ? "__fish_use_subcommand" : NO_PROGRAM,
      1,
    ),
    ...commands.map((one) =>
      `complete -c ${name} -n __fish_use_subcommand -a ${one.name} -d ${
        quoteFish(oneLine(one.about))
      }`
    ),
    ...commands.flatMap((one) =>
      ownLines(
        name,
        one,
        `__fish_seen_subcommand_from ${one.name}; and ${NO_PROGRAM}`,
        2,
      )
    ),
  ];
  return lines.join("\n") + "\n";
}

function ownLines(
  name: string,
  { flags, operands, takesProgram, name: command }: Grammar,
  when: string,
  wordsBefore: number,
): string[] {
  const start = `complete -c ${name} -n ${quoteFish(when)}`;
  const lines = flags.map((flag) =>
    `${start} ${namesOf(flag)}${
      flag.value ? ` ${valueWords(flag.value)}` : ""
    } -d ${quoteFish(oneLine(flag.about))}`
  );
  const valued = flags.filter(({ value }) => value).flatMap(({ names }) =>
    names
  );
  for (const [i, { value }] of operands.entries()) {
    if (value.kind === "text") continue;
    const number = ["__mpserv_operand", i + 1, wordsBefore, ...valued].join(
      " ",
    );
    const what = value.kind === "choice"
      ? `-a ${quoteFish(value.choices.join(" "))}`
      : "-F";
    lines.push(
      `complete -c ${name} -n ${quoteFish(`${when}; and ${number}`)} ${what}`,
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

function namesOf({ names }: Flag): string {
  return names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  ).join(" ");
}

function valueWords(value: Value): string {
  switch (value.kind) {
    case "choice":
      return `-x -a ${quoteFish(value.choices.join(" "))}`;
    case "file":
      return "-r -F";
    case "directory":
      return '-x -a "(__fish_complete_directories)"';
    case "user":
      return '-x -a "(__fish_complete_users)"';
    default:
      return "-x";
  }
}

/** In fish's single quotes only a quote and a backslash are special. */
function quoteFish(text: string): string {
  return `'${text.replaceAll(/['\\]/g, "\\$&")}'`;
}
