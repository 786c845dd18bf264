/**
 * `deno task tables`: writes the tables of options, signals, variables and exit codes into the documents, from
 * what the commands themselves are made of. `tables_test.ts` fails while a document has others.
 *
 * @module
 */
import {
  type Grammar,
  groupsOf,
  pagePartsOf,
  readGrammar,
} from "../../src/cli/grammar.ts";
import { DOCUMENTS } from "../helpers/readme.ts";

/** A table stands between `<!-- options: serve -->` and `<!-- /options -->`. */
const PLACE =
  /(<!-- (options|page|everyday): (\w+) -->\n)[^]*?(<!-- \/\2 -->)/g;
/** The options that every command has; the text explains them once. */
const STANDARD = /^(-h, )?--(help|help-all|version)$/;

type Row = readonly string[];
type Maker = (command: Grammar) => readonly Row[];

const MAKERS: Readonly<Record<string, Maker>> = {
  options: (command) => optionRows(command, () => true, true),
  everyday: (command) =>
    optionRows(
      command,
      (one) => "isEveryday" in one && one.isEveryday === true,
      false,
    ),
  page: (command) => [
    ["", "meaning"],
    ...pagePartsOf(command).flatMap(([title, rows]): Row[] => [
      [`**${title}**`, ""],
      ...rows.map(([term, what]) => [
        term.startsWith("all ") ? term : code(term),
        cell(what),
      ]),
    ]),
  ],
};

function optionRows(
  command: Grammar,
  isShown: (one: object) => boolean,
  isGrouped: boolean,
): Row[] {
  const rows = [...groupsOf(command)].flatMap(([title, some]): Row[] => {
    const shown = some.filter((one) => isShown(one) && !STANDARD.test(one.term))
      .map((one): Row => {
        const { term, about, shown = "", value } = one;
        const choices = value?.kind === "choice"
          ? ` (${value.choices.map(code).join(", ")})`
          : "";
        const isWord = shown !== "" && !/ [a-z]/.test(shown);
        return [
          code(term),
          isWord ? code(shown) : shown,
          cell(about) + choices,
        ];
      });
    if (shown.length === 0 || !isGrouped) return shown;
    return [[`**${title}**`, "", ""], ...shown];
  });
  return [["option", "default", "meaning"], ...rows];
}

/** Text in a table, in which a bar would begin a cell and an angle bracket a tag. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\\", "\\\\")
    .replaceAll("\\\\|", "\\|").replaceAll("<", "\\<");
}

function code(text: string): string {
  const quoted = text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
  return quoted.replaceAll("|", "\\|");
}

function table([head = [], ...rows]: readonly Row[]): string {
  const line = (row: Row) => `| ${row.join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}

/** A document with the tables that belong into it, not yet in columns as `deno fmt` makes them. */
export async function withTables(text: string): Promise<string> {
  const { commands } = await readGrammar("mpserv");
  return text.replaceAll(PLACE, (_, open, kind, name, close) => {
    const command = commands.find((one) => one.name === name);
    if (command === undefined) throw new RangeError(`No command "${name}"`);
    return `${open}\n${table(MAKERS[kind]!(command))}\n${close}`;
  });
}

if (import.meta.main) {
  for (const file of DOCUMENTS) {
    const url = new URL(`../../${file}`, import.meta.url);
    const text = await Deno.readTextFile(url);
    const made = await withTables(text);
    if (made !== text) await Deno.writeTextFile(url, made);
  }
}
