/**
 * What can be typed, read out of the tables of the commands: help, completions and manual pages are made
 * of it, so that none of them can say anything else than the program does.
 *
 * @module
 */
import { type Command, command as define } from "./command.ts";
import { choice, type Hint, type Spec } from "./options.ts";
import {
  ABOUT,
  type CommandProgram,
  loadCommands,
  loadMpclient,
} from "./programs.ts";
import { flagOf, STANDARD, termOf } from "./words.ts";

/** What the value of an option or an operand is, as far as a shell can help with it. */
export type Value =
  | { readonly kind: "text" | Hint }
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
  /** The heading that it stands below. */
  readonly group: string;
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

/** Reads a program with all its commands. */
export async function readGrammar(program: CommandProgram): Promise<Grammar> {
  if (program === "mpclient") {
    const own = grammarOf(await loadMpclient());
    return { ...own, flags: [standard("version"), ...own.flags] };
  }
  const commands = await loadCommands();
  return {
    name: program,
    usage: "[options] [command]",
    about: ABOUT,
    notes: "",
    flags: [standard("version"), standard("help")],
    operands: [],
    commands: [...commands, helpCommand(commands)].map(grammarOf),
    takesProgram: false,
  };
}

/** The command `help`, which explains another one. */
export function helpCommand(commands: readonly Command[]): Command {
  const names = commands.map(({ name }) => name);
  return define({
    name: "help",
    about: "Print a command's help.",
    operands: {
      command: { ...choice("command", "the command", names), choices: names },
    },
    options: {},
    notes: "",
    begin: ({ operands: { command } }) => async () => {
      const { printHelp, printProgramHelp } = await import("./help/help.ts");
      const wanted = commands.find(({ name }) => name === command);
      if (wanted) return printHelp(wanted, `mpserv ${wanted.name}`);
      await printProgramHelp();
    },
  });
}

/** Reads a command. */
export function grammarOf(command: Command): Grammar {
  const { name, about, notes, takesProgram = false } = command;
  const options = Object.entries(command.options);
  const operands = Object.entries(command.operands);
  const flags = options.map(([name, spec]): Flag => ({
    names: [flagOf(name)],
    term: termOf(name, spec),
    about: spec.about,
    details: detailsOf(spec),
    value: spec.value === undefined ? undefined : valueOf(spec),
    group: spec.group,
  }));
  const isGrouped = flags.some(({ group }) => group === OPERATION);
  return {
    name,
    usage: [
      ...operands.map(([name, { isRequired }]) =>
        isRequired ? `<${name}>` : `[${name}]`
      ),
      "[options]",
      ...takesProgram ? ["[-- program args...]"] : [],
    ].join(" "),
    about,
    notes: notes.trim(),
    flags: [
      ...flags.filter(({ group }) => group !== LOGS),
      standard("help", isGrouped ? OPERATION : undefined),
      ...flags.filter(({ group }) => group === LOGS),
    ],
    operands: operands.map(([name, spec]) => ({
      name,
      details: detailsOf(spec),
      value: valueOf(spec),
    })),
    commands: [],
    takesProgram,
  };
}

const OPERATION = "Operation";
const LOGS = "Logs";

function standard(which: "help" | "version", group = "Options"): Flag {
  const names = STANDARD[which];
  const about = which === "help" ? "print this help" : "print the versions";
  const term = names.join(", ");
  return { names, term, about, details: about, value: undefined, group };
}

function detailsOf({ about, choices, shown }: Spec<unknown>): string {
  const more = [
    ...choices ? [choices.join(", ")] : [],
    ...shown === undefined ? [] : [`default: ${shown}`],
  ];
  return more.length === 0 ? about : `${about} (${more.join("; ")})`;
}

function valueOf({ choices, hint }: Spec<unknown>): Value {
  return choices ? { kind: "choice", choices } : { kind: hint ?? "text" };
}
