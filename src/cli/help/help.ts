/**
 * The help and the versions.
 *
 * @module
 */
import manifest from "../../../deno.json" with { type: "json" };
import type { Action, Command } from "../command.ts";
import {
  type Grammar,
  grammarOf,
  helpCommand,
  readGrammar,
} from "../grammar.ts";
import { choice } from "../options.ts";
import { type CommandProgram, loadCommands } from "../programs.ts";
import { suggest } from "../suggest.ts";
import { EXIT_USAGE, print, say } from "../terminal.ts";
import { readWords, wrong } from "../words.ts";

/**
 * Understands what is no command of `mpserv`: options of the program itself, its help, a mistake.
 *
 * @throws {UserError} When it is wrong.
 */
export async function understandProgram(
  args: readonly string[],
): Promise<Action> {
  if (args.length === 0) {
    return async () => {
      say(helpText(await readGrammar("mpserv"), "mpserv").trimEnd());
      return EXIT_USAGE;
    };
  }
  const commands = await loadCommands();
  const help = helpCommand(commands);
  const [first, ...words] = args;
  if (first === help.name) {
    const understood = help.understand(words, "mpserv help");
    if (typeof understood === "function") return understood;
    return understood === "help"
      ? () => printHelp(help, "mpserv help")
      : () => printVersion("mpserv");
  }
  const names = [...commands, help].map(({ name }) => name);
  const operands = { command: choice("command", "the command", names) };
  const program = { name: "mpserv", options: {}, operands };
  const dashed = args.filter((word) => word.startsWith("-"));
  const asked = readWords(program, dashed, "mpserv");
  if (asked === "version") return () => printVersion("mpserv");
  if (asked === "help") return printProgramHelp;
  const near = suggest(first!, names);
  return wrong(`unknown command '${first}'${near}`, "mpserv");
}

/** Prints the help of a command. */
export function printHelp(command: Command, path: string): Promise<void> {
  print(helpText(grammarOf(command), path));
  return Promise.resolve();
}

/** Prints the help of `mpserv`. */
export async function printProgramHelp(): Promise<void> {
  print(helpText(await readGrammar("mpserv"), "mpserv"));
}

/** Prints what runs: our version, the runtime's, and for which system. */
export function printVersion(program: CommandProgram): Promise<void> {
  const kind = Deno.build.standalone ? "compiled" : "from source";
  const { deno, v8 } = Deno.version;
  print(
    `${program} ${manifest.version} (Deno ${deno}, V8 ${v8}, ${Deno.build.target}, ${kind})\n`,
  );
  return Promise.resolve();
}

/** Everything in one column of terms and one of sentences, a line each. */
function helpText(grammar: Grammar, path: string): string {
  const { usage, about, notes, flags, operands, commands } = grammar;
  const groups = Map.groupBy(flags, ({ group }) => group);
  const parts: [string, (readonly [string, string])[]][] = [
    ["Arguments", operands.map(({ name, details }) => [name, details])],
    ...[...groups].map(([title, some]): [string, [string, string][]] => [
      title,
      some.map(({ term, details }) => [term, details]),
    ]),
    [
      "Commands",
      commands.map(({ name, about }) => [name, about]),
    ],
  ];
  const rows = parts.flatMap(([, rows]) => rows);
  const width = Math.max(...rows.map(([term]) => term.length));
  const lines = parts.filter(([, rows]) => rows.length > 0).map((
    [title, rows],
  ) =>
    [
      `${title}:`,
      ...rows.map(([term, what]) =>
        `  ${term.padEnd(width)}  ${what.replaceAll("\n", " ")}`
      ),
    ].join("\n")
  );
  return [`Usage: ${path} ${usage}`, about, ...lines, notes]
    .filter((part) => part !== "").join("\n\n") + "\n";
}
