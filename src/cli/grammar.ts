/**
 * Describes all words that can be typed, from the tables of the commands. Help, completions and manual pages are made
 * from it, so that they agree with the program.
 *
 * @module
 */
import { HEADINGS, type Page, pageOf, type Rows } from "./help/pages.ts";
import { choice, type Hint, type Spec, type Specs } from "./options.ts";
import { type CommandProgram, loadCommands, loadMpclient } from "./programs.ts";
import {
  type Command,
  command as define,
  flagOf,
  type Question,
  STANDARD,
  termOf,
} from "./command.ts";

/** The value of an option or operand, as far as a shell can complete it. */
export type Value =
  | { readonly kind: "text" | Hint }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/** What the help, the manual page and the completions say of an option or an operand. */
interface Entry {
  /** As the help shows it: `--host <addr>`, `[port]`, or `<id>` where it must be typed. */
  readonly term: string;
  /** Its description, without choices and default. */
  readonly about: string;
  /** Its description, with choices and default. */
  readonly details: string;
  /** Its default, as the help shows it; undefined where there is none. */
  readonly shown: string | undefined;
  /** The heading that it stands below. */
  readonly group: string;
}

export interface Flag extends Entry {
  /** Its spellings, such as `--help` and `-h`. */
  readonly names: readonly string[];
  /** Undefined for a switch. */
  readonly value: Value | undefined;
  readonly isEveryday: boolean;
}

/** A word that is typed without an option's name. */
interface Operand extends Entry {
  readonly name: string;
  readonly value: Value;
}

export interface Grammar {
  readonly name: string;
  /** The words that may follow its name, as the help shows them. */
  readonly usage: string;
  readonly about: string;
  /** Examples, values, signals, variables and exit codes. */
  readonly page: Page;
  readonly flags: readonly Flag[];
  readonly operands: readonly Operand[];
  readonly commands: readonly Grammar[];
  /** Whether another program's command line may follow after `--`. */
  readonly takesProgram: boolean;
}

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
    page: {},
    flags: [standard("version"), standard("help")],
    operands: [],
    commands: [...commands, helpCommand(commands)].map(grammarOf),
    takesProgram: false,
  };
}

/** The command `help`, which explains another one. */
export function helpCommand(commands: readonly Command[]): Command {
  const names = [...commands.map(({ name }) => name), "help"];
  const help: Command = define({
    name: "help",
    about: "Print the help of a command, as mpserv COMMAND --help does.",
    operands: {
      command: choice("command", "name", names),
    },
    options: {},
    begin: ({ operands: { command } }) => async () => {
      const { answer, printProgramHelp } = await import("./help/help.ts");
      const wanted = [...commands, help].find(({ name }) => name === command);
      if (wanted) return answer("help", wanted, `mpserv ${wanted.name}`);
      await printProgramHelp();
    },
  });
  return help;
}

export function grammarOf(command: Command): Grammar {
  const { name, about, takesProgram = false } = command;
  const flags = Object.entries(command.options).map(([name, spec]): Flag => ({
    names: [flagOf(name)],
    term: termOf(name, spec),
    ...describe(spec),
    value: spec.value === undefined ? undefined : valueOf(spec),
    isEveryday: spec.isEveryday,
  }));
  const operands = operandsOf(command.operands);
  const group = flags.some(({ group }) => group === OPERATION)
    ? OPERATION
    : "Options";
  return {
    name,
    usage: [
      ...operands.map(({ term }) => term),
      "[options]",
      ...takesProgram ? ["[-- program args...]"] : [],
    ].join(" "),
    about,
    page: pageOf(name),
    flags: [
      ...flags.filter(({ group }) => group !== LOGS),
      standard("help", group),
      standard("helpAll", group),
      ...flags.filter(({ group }) => group === LOGS),
    ],
    operands,
    commands: [],
    takesProgram,
  };
}

/** A heading and the rows below it. */
export type Part = readonly [title: string, rows: Rows];

/** Operands and options in their groups, in which operands come first. */
export function groupsOf(
  { operands, flags }: Pick<Grammar, "operands" | "flags">,
): Map<string, (Operand | Flag)[]> {
  return Map.groupBy([...operands, ...flags], ({ group }) => group);
}

/** The parts of a command's page, those that it has. */
export function pagePartsOf({ page }: Grammar): Part[] {
  return Object.entries(HEADINGS).flatMap(([part, title]): Part[] => {
    const rows = page[part as keyof Page];
    return rows === undefined ? [] : [[title, rows]];
  });
}

const OPERATION = "Operation";
const LOGS = "Logs";
const QUESTIONS: Readonly<Record<Question, string>> = {
  help: "print a short help",
  helpAll: "print all options, examples, signals and exit codes",
  version: "print the versions",
};

function standard(which: Question, group = "Options"): Flag {
  const names = STANDARD[which];
  const about = QUESTIONS[which];
  const more = { shown: undefined, value: undefined, isEveryday: false };
  return {
    names,
    term: names.join(", "),
    about,
    details: about,
    group,
    ...more,
  };
}

function operandsOf(operands: Specs): Operand[] {
  return Object.entries(operands).map(([name, spec]) => ({
    name,
    term: spec.isRequired ? `<${name}>` : `[${name}]`,
    ...describe(spec),
    value: valueOf(spec),
    group: spec.group === "Options" ? "Arguments" : spec.group,
  }));
}

function describe({ about, choices, shown, group }: Spec<unknown>) {
  const more = [
    ...choices ? [choices.join(", ")] : [],
    ...shown === undefined ? [] : [`default: ${shown}`],
  ];
  const details = more.length === 0 ? about : `${about} (${more.join("; ")})`;
  return { about, details, shown, group };
}

function valueOf({ choices, hint }: Spec<unknown>): Value {
  return choices ? { kind: "choice", choices } : { kind: hint ?? "text" };
}

/** The description of `mpserv`. */
const ABOUT = "A TCP server that gives every connection a process of its own.";
