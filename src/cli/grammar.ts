/**
 * What can be typed, read out of commander's definitions: completions and manual pages are made of
 * it, so that neither can say anything else than the program does.
 *
 * @module
 */
import type {
  Argument,
  CommandUnknownOpts as Command,
  Option,
} from "@commander-js/extra-typings";

/** What the value of an option or an operand is, as far as a shell can help with it. */
export type Value =
  | { readonly kind: "text" | "file" | "directory" | "user" }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/** An option. */
export interface Flag {
  /** What can be typed: `--help` and `-h`. */
  readonly names: readonly string[];
  /** Its names and its value, as the help shows them: `--host <addr>`. */
  readonly term: string;
  /** What it does, without choices and default. */
  readonly about: string;
  /** What it does, with choices and default. */
  readonly details: string;
  /** Its value; undefined for a switch. */
  readonly value: Value | undefined;
}

/** What is typed without a name. */
export interface Operand {
  /** Its name. */
  readonly name: string;
  /** What it is, with choices and default. */
  readonly details: string;
  /** Its values. */
  readonly value: Value;
}

/** A command. */
export interface Grammar {
  /** Its own name. */
  readonly name: string;
  /** What can follow its name, as the help shows it. */
  readonly usage: string;
  /** What it does, perhaps in several lines. */
  readonly about: string;
  /** What the help says below the options: examples, signals, exit codes. */
  readonly notes: string;
  /** Its options. */
  readonly flags: readonly Flag[];
  /** Its operands, in order. */
  readonly operands: readonly Operand[];
  /** Its commands. */
  readonly commands: readonly Grammar[];
  /** Whether another program's command line may follow after `--`. */
  readonly takesProgram: boolean;
}

/** What the name of a value, such as `path` in `--unix <path>`, says of it; all others are text. */
const KINDS: Readonly<Record<string, "file" | "directory">> = {
  path: "file",
  file: "file",
  dir: "directory",
};

/**
 * Reads a command and the commands below it.
 *
 * @param command The command, with all its options.
 * @param others The names of the commands beside it.
 * @returns What can be typed.
 */
export function readGrammar(
  command: Command,
  others: readonly string[] = [],
): Grammar {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const names = commands.map((one) => one.name());
  return {
    name: command.name(),
    usage: command.usage(),
    about: command.description(),
    notes: notesOf(command),
    flags: help.visibleOptions(command).map((option) => ({
      names: [option.short, option.long].filter((name) => name !== undefined),
      term: help.optionTerm(option),
      about: option.description,
      details: help.optionDescription(option),
      value: valueOfOption(option),
    })),
    operands: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      details: help.argumentDescription(argument),
      value: valueOfOperand(argument, others),
    })),
    commands: commands.map((one) => readGrammar(one, names)),
    takesProgram: command.usage().includes("[-- program"),
  };
}

/** What was added with `addHelpText`: commander gives it only with the whole help. */
function notesOf(command: Command): string {
  const output = command.configureOutput();
  let whole = "";
  command.configureOutput({ ...output, writeOut: (text) => whole += text });
  command.outputHelp();
  command.configureOutput(output);
  return whole.slice(command.helpInformation().length).trim();
}

function valueOfOption(option: Option): Value | undefined {
  if (!option.required && !option.optional) return undefined;
  if (option.argChoices) return { kind: "choice", choices: option.argChoices };
  if (option.long === "--user") return { kind: "user" };
  const name = /[<[]([a-z]+)/.exec(option.flags)?.[1] ?? "";
  return { kind: KINDS[name] ?? "text" };
}

function valueOfOperand(argument: Argument, others: readonly string[]): Value {
  const { argChoices } = argument;
  if (argChoices) return { kind: "choice", choices: argChoices };
  // That of commander's own command `help`: it knows no choices.
  if (argument.name() === "command") return { kind: "choice", choices: others };
  return { kind: KINDS[argument.name()] ?? "text" };
}
