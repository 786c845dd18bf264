/**
 * `mpserv man`: manual pages in the roff of man(7), made of what can be typed.
 *
 * @module
 */
import manifest from "../../../deno.json" with { type: "json" };
import { command } from "../command.ts";
import {
  type Grammar,
  groupsOf,
  pagePartsOf,
  type Part,
  readGrammar,
} from "../grammar.ts";
import { choice, or } from "../options.ts";
import { PROGRAMS } from "../programs.ts";
import { print } from "../terminal.ts";
import { HEADINGS, type Page, type Rows } from "./pages.ts";

export const man = command({
  name: "man",
  about: "Print a manual page.",
  operands: { page: or(choice("page", "page to print", PROGRAMS), "mpserv") },
  options: {},
  begin: ({ operands: { page } }) => async () => {
    print(makeManual(await readGrammar(page)));
  },
});

/** The parts of a page that no definition contains. */
interface Extras {
  readonly summary: string;
  readonly seeAlso: string;
}

const EXTRAS: Readonly<Record<string, Extras>> = {
  mpserv: {
    summary: "a TCP server that gives every connection a process of its own",
    seeAlso: "mpclient(1), socket(7), tcp(7), unix(7)",
  },
  mpclient: {
    summary: "a client whose sending and receiving are two processes",
    seeAlso: "mpserv(1), nc(1), socket(7)",
  },
};

/** When these pages were last changed, in words of their own. */
const DATE = "2026-11-23";

function makeManual(program: Grammar): string {
  const { name, commands } = program;
  const extras = EXTRAS[name]!;
  return [
    `.TH ${name.toUpperCase()} 1 ${DATE} "mpserv ${manifest.version}" "User Commands"`,
    ".nh", // no hyphens in options and addresses
    ".ad l",
    section("NAME", [`${text(name)} \\- ${text(extras.summary)}`]),
    section("SYNOPSIS", synopsis(program)),
    section("DESCRIPTION", prose(program.about)),
    ...(commands.length === 0
      ? describe(program, (title, body) => section(title.toUpperCase(), body), {
        isSubcommand: false,
      })
      : [
        section(
          "OPTIONS",
          program.flags.flatMap(({ term, details }) => item([term, details])),
        ),
        section(
          "COMMANDS",
          commands.flatMap((command) => commandBody(name, command)),
        ),
      ]),
    section(
      "EXIT STATUS",
      (program.page.exitCodes ?? EXIT_CODES).flatMap(item),
    ),
    section("ENVIRONMENT", variablesOf(program).flatMap(item)),
    section("SEE ALSO", prose(extras.seeAlso)),
  ].filter((part) => part !== "").join("\n") + "\n";
}

function synopsis({ name, usage, commands }: Grammar): string[] {
  const lines = commands.length === 0
    ? [[name, usage]]
    : commands.map((one) => [`${name} ${one.name}`, one.usage]);
  return lines.flatMap(([words, rest], at) => [
    ...(at > 0 ? [".br"] : []),
    `\\fB${text(words!)}\\fR ${text(rest!)}`,
  ]);
}

/** A command within a page: its heading, then its parts, one below the other. */
function commandBody(program: string, command: Grammar): string[] {
  const words = `${program} ${command.name}`;
  return [
    `.SS ${text(`${words} ${command.usage}`)}`,
    ...prose(command.about),
    ...describe(
      command,
      (title, body) =>
        body.length === 0 ? "" : [".PP", `${text(title)}:`, ...body].join("\n"),
      { isSubcommand: true },
    ),
  ].filter((line) => line !== "");
}

/**
 * Operands, options, examples, values and signals, each as a part with a title. Variables, and a program's own exit
 * codes, are sections of their own.
 */
function describe(
  command: Grammar,
  part: (title: string, body: string[]) => string,
  { isSubcommand }: { isSubcommand: boolean },
): string[] {
  const groups = [...groupsOf(command)].map(([title, some]) =>
    part(title, some.flatMap(({ term, details }) => item([term, details])))
  );
  const others = pagePartsOf(command).filter(([title]) =>
    title !== HEADINGS.variables &&
    (isSubcommand || title !== HEADINGS.exitCodes)
  );
  return [...groups, ...others.map((one) => part(one[0], pageBody(one)))]
    .filter((text) => text !== "");
}

/** Examples stand as they are typed. */
function pageBody([title, rows]: Part): string[] {
  return rows.flatMap(([term, what]) =>
    title === HEADINGS.examples
      ? [".TP", text(term), ...prose(what)]
      : item([term, what])
  );
}

/** The variables of a program and its commands, each once. */
function variablesOf({ page, commands }: Grammar): Rows {
  const pages: Page[] = [page, ...commands.map(({ page }) => page)];
  const rows = pages.flatMap(({ variables = [] }) => variables);
  return [...new Map(rows)];
}

function item([term, what]: readonly [string, string]): string[] {
  return [".TP", `\\fB${text(term)}\\fR`, ...prose(what)];
}

function section(title: string, body: readonly string[]): string {
  return body.length === 0 ? "" : [`.SH ${text(title)}`, ...body].join("\n");
}

/** Text that is filled anyway, in lines that are short enough for a person to read in the source. */
function prose(plain: string): string[] {
  const lines: string[] = [];
  for (const word of text(plain).split(/\s+/).filter((word) => word !== "")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 78) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line) => line.replace(/^\./, "\\&."));
}

/** Text with nothing in it that roff would take for its own; hyphens are those that can be typed. */
function text(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq").replaceAll('"', "\\(dq")
    .replaceAll(/^\./gm, "\\&.");
}

/** The exit codes of every command that has no others. */
const EXIT_CODES: Rows = [
  ["0", "success"],
  ["1", "the system or the other side refused"],
  ["2", "wrong command line"],
];
