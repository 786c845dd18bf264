/**
 * The help and the versions.
 *
 * @module
 */
import manifest from "../../../deno.json" with { type: "json" };
import {
  type Flag,
  type Grammar,
  grammarOf,
  groupsOf,
  helpCommand,
  pagePartsOf,
  type Part,
  readGrammar,
} from "../grammar.ts";
import { choice } from "../options.ts";
import { type CommandProgram, loadCommands } from "../programs.ts";
import { EXIT, print, say } from "../terminal.ts";
import {
  type Action,
  type Command,
  type Question,
  readWords,
  STANDARD,
  suggest,
  wrong,
} from "../command.ts";

/**
 * Understands a command line that names no command: the program's own options, its help, a mistake. Throws
 * `UserError` when it is wrong.
 */
export async function understandProgram(
  args: readonly string[],
): Promise<Action> {
  if (args.length === 0) {
    return async () => {
      say(fullHelp(await readGrammar("mpserv"), "mpserv").trimEnd());
      return EXIT.usage;
    };
  }
  const commands = await loadCommands();
  const help = helpCommand(commands);
  const [first, ...words] = args;
  if (first === help.name) {
    const understood = help.understand(words, "mpserv help");
    if (typeof understood === "function") return understood;
    return () => answer(understood, help, "mpserv help");
  }
  const names = [...commands, help].map(({ name }) => name);
  const operands = { command: choice("command", "command to run", names) };
  const program = { name: "mpserv", options: {}, operands };
  const dashed = args.filter((word) => word.startsWith("-"));
  const asked = readWords(program, dashed, "mpserv");
  if (asked === "version") return () => printVersion("mpserv");
  if (typeof asked === "string") return printProgramHelp;
  const near = suggest(first!, names);
  return wrong(`unknown command '${first}'${near}`, "mpserv");
}

/** Answers a question about a command. */
export function answer(
  question: Question,
  command: Command,
  path: string,
): Promise<void> {
  if (question === "version") {
    return printVersion(path === "mpclient" ? path : "mpserv");
  }
  const grammar = grammarOf(command);
  const isShort = question === "help";
  print(isShort ? shortHelp(grammar, path) : fullHelp(grammar, path));
  return Promise.resolve();
}

export async function printProgramHelp(): Promise<void> {
  print(fullHelp(await readGrammar("mpserv"), "mpserv"));
}

/** Prints what runs: our version, the runtime's, and for which system. */
function printVersion(program: CommandProgram): Promise<void> {
  const kind = Deno.build.standalone ? "compiled" : "from source";
  const { deno, v8 } = Deno.version;
  print(
    `${program} ${manifest.version} (Deno ${deno}, V8 ${v8}, ${Deno.build.target}, ${kind})\n`,
  );
  return Promise.resolve();
}

/** Columns of a usual terminal. */
const COLUMNS = 80;

/** The everyday options, or all where none is marked, without an empty line: they fit a terminal of 24 lines. */
function shortHelp(grammar: Grammar, path: string): string {
  const { usage, about, operands, flags } = grammar;
  const hasMore = flags.some(({ isEveryday }) => isEveryday);
  const shown = flags.filter(({ names, isEveryday }) =>
    hasMore ? isEveryday : !isStandard(names)
  );
  const groups = [...groupsOf({ operands, flags: shown })];
  const width = widthOf(groups.flatMap(([, rows]) => rows));
  const room = COLUMNS - width - 4;
  const all = flags.filter(({ names }) => !isStandard(names)).length;
  return [
    `Usage: ${path} ${usage}`,
    about,
    ...groups.flatMap(([title, some]) => [
      `${title}:`,
      ...some.map((one) => row(one.term, fitted(one, room), width)),
    ]),
    ...hasMore
      ? [`All ${all} options, with examples: ${path} --help-all`]
      : pagePartsOf(grammar).length > 0
      ? [`Examples, values, exit codes: ${path} --help-all`]
      : [],
  ].join("\n") + "\n";
}

function isStandard(names: readonly string[]): boolean {
  return Object.values(STANDARD).flat().includes(names[0]!);
}

/** As much of a sentence, its choices and its default as fits into a line. */
function fitted(
  { about, details, shown, value }: Pick<
    Flag,
    "about" | "details" | "shown" | "value"
  >,
  room: number,
): string {
  const choices = value?.kind === "choice" ? value.choices.join(", ") : "";
  const shorter = [
    details,
    ...choices ? [`${about} (${choices})`] : [],
    ...shown === undefined ? [] : [`${about} (default: ${shown})`],
    about,
  ];
  return shorter.find((text) => text.length <= room) ?? about;
}

/** Everything, in two columns, terms and descriptions, one line each. */
function fullHelp(grammar: Grammar, path: string): string {
  const { usage, about, commands } = grammar;
  const groups = [...groupsOf(grammar)].map(([title, some]): Part => [
    title,
    some.map(({ term, details }) => [term, details]),
  ]);
  const parts: Part[] = [
    ...groups,
    ["Commands", commands.map(({ name, about }) => [name, about])],
  ];
  const width = widthOf(
    parts.flatMap(([, rows]) => rows.map(([term]) => ({ term }))),
  );
  return [
    `Usage: ${path} ${usage}`,
    about,
    ...parts.filter(([, rows]) => rows.length > 0)
      .map((part) => partText(part, width)),
    ...pagePartsOf(grammar).map((part) =>
      partText(part, widthOf(part[1].map(([term]) => ({ term }))))
    ),
  ].join("\n\n") + "\n";
}

function partText([title, rows]: Part, width: number): string {
  const lines = rows.map(([term, what]) => row(term, what, width));
  return [`${title}:`, ...lines].join("\n");
}

function row(term: string, what: string, width: number): string {
  return `  ${term.padEnd(width)}  ${what}`;
}

function widthOf(rows: readonly { readonly term: string }[]): number {
  return Math.max(...rows.map(({ term }) => term.length));
}
