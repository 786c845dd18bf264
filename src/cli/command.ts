/**
 * Commands: their syntax and their actions.
 *
 * Reading a command line by the tables of a command, as getopt_long(3) reads one: an option may stand
 * anywhere before `--`, its value is the next word, whatever that looks like, or follows `=`.
 *
 * @module
 */
import type { Spec, Specs, Values } from "./options.ts";
import { EXIT, UserError } from "./terminal.ts";

/** Runs a command line; resolves to the exit code (undefined means 0). */
export type Action = () => Promise<number | void>;

/** A command, whatever its options are. */
export interface Command extends Syntax<Specs, Specs> {
  /** Its purpose, in one line; `help/pages.ts` has its examples, signals and exit codes. */
  readonly about: string;
  /**
   * Reads a command line, and checks it as far as that can be done before anything is begun. Throws `UserError` when
   * it is wrong.
   */
  understand(words: readonly string[], path: string): Action | Question;
}

/** A command as it is written down. */
interface CommandSpec<O extends Specs, A extends Specs> extends Syntax<O, A> {
  readonly about: string;
  /** Checks the combination of options, and loads nothing. Throws `UserError` when options contradict each other. */
  begin(line: Line<O, A>): Action;
}

export function command<O extends Specs, A extends Specs>(
  spec: CommandSpec<O, A>,
): Command {
  return {
    ...spec,
    understand(words, path) {
      const line = readWords(spec, words, path);
      return typeof line === "string" ? line : spec.begin(line);
    },
  };
}

/** The words that may follow a command's name. */
interface Syntax<O extends Specs, A extends Specs> {
  readonly name: string;
  readonly options: O;
  readonly operands: A;
  /** Whether a program's command line may follow after `--`; otherwise operands do. */
  readonly takesProgram?: boolean;
}

/** A command line that has been read. */
interface Line<O extends Specs, A extends Specs> {
  readonly options: Values<O>;
  readonly operands: Values<A>;
  /** The names of the options and operands that were typed, in this order. */
  readonly typed: ReadonlySet<keyof O | keyof A>;
  /** The words after `--` of a command that takes a program; undefined without `--`. */
  readonly program: readonly string[] | undefined;
}

/** The questions that every command answers. */
export const STANDARD = {
  help: ["-h", "--help"],
  helpAll: ["--help-all"],
  version: ["--version"],
};
export type Question = keyof typeof STANDARD;

/**
 * Reads a command line. `path`: the command as a person calls it, such as `mpserv serve`. Throws `UserError` when it
 * is wrong.
 */
export function readWords<O extends Specs, A extends Specs>(
  syntax: Syntax<O, A>,
  words: readonly string[],
  path: string,
): Line<O, A> | Question {
  const { options, operands, takesProgram } = syntax;
  const values = new Map<string, unknown>();
  const texts: string[] = [];
  const typed = new Set<keyof O | keyof A>();
  let asked: Question | undefined;
  let unknown: string | undefined;
  let program: readonly string[] | undefined;
  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === "--") {
      if (takesProgram) program = left.splice(0);
      else texts.push(...left.splice(0));
    } else if (!isOption(word)) texts.push(word);
    else if (STANDARD.version.includes(word)) asked = "version";
    else if (STANDARD.help.includes(word)) asked ??= "help";
    else if (STANDARD.helpAll.includes(word)) asked ??= "helpAll";
    else {
      const [flag, value] = splitFamily(word, options) ?? split(word);
      const name = nameOf(flag);
      const spec = Object.hasOwn(options, name) ? options[name] : undefined;
      if (spec === undefined || (spec.value === undefined && value !== null)) {
        unknown ??= word;
        continue;
      }
      const text = spec.value === undefined ? "" : value ?? left.shift();
      if (text === undefined) {
        wrong(`option '${termOf(name, spec)}' needs a value`, path);
      }
      const before = values.has(name) ? values.get(name) : spec.initial;
      values.set(name, readValue(spec, text, before, `${flag}: `));
      typed.delete(name); // the last comes last
      typed.add(name);
    }
  }
  if (asked !== undefined) return asked;
  if (unknown !== undefined) {
    const all = [
      ...Object.values(STANDARD).flat(),
      ...Object.keys(options).map(flagOf),
    ];
    const near = suggest(split(unknown)[0], all.filter(isLong));
    wrong(`unknown option '${unknown}'${near}`, path);
  }
  readOperands(syntax, texts, values, path);
  for (const name of Object.keys(operands).slice(0, texts.length)) {
    typed.add(name);
  }
  return {
    options: valuesOf(options, values),
    operands: valuesOf(operands, values),
    typed,
    program,
  };
}

/** The only place that tells the compiler the types of a table's values: each comes from its `read`. */
function valuesOf<S extends Specs>(
  specs: S,
  read: ReadonlyMap<string, unknown>,
): Values<S> {
  const values = Object.entries(specs).map(([name, spec]) => [
    name,
    read.has(name) ? read.get(name) : spec.initial,
  ]);
  return Object.fromEntries(values);
}

/** The option that a name in a table stands for. `name`: such as `idleTimeout`. For example `--idle-timeout`. */
export function flagOf(name: string): string {
  return `--${
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  }`;
}

/** An option as the help shows it. For example `--host <addr>`. */
export function termOf(name: string, { value }: Spec<unknown>): string {
  return value === undefined ? flagOf(name) : `${flagOf(name)} ${value}`;
}

/** Refuses a command line. Always throws `UserError`. */
export function wrong(what: string, path: string): never {
  throw usage(`${what}: see \`${path} --help\``);
}

function usage(message: string): UserError {
  return new UserError(message.replaceAll(/\s*\n\s*/g, " "), EXIT.usage);
}

/** A hyphen alone and a negative number are values. */
function isOption(word: string): boolean {
  return /^-./s.test(word) && !/^-(\d+|\d*\.\d+)$/.test(word);
}

function isLong(flag: string): boolean {
  return flag.startsWith("--");
}

/** `--name=value` in two. */
function split(word: string): [flag: string, value: string | null] {
  const at = isLong(word) ? word.indexOf("=") : -1;
  return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
}

/** `--unstable-kv` in two; null where it is none of a family. */
function splitFamily(
  word: string,
  options: Specs,
): [flag: string, value: string] | null {
  for (const [name, { isFamily }] of Object.entries(options)) {
    const start = `${flagOf(name)}-`;
    if (!isFamily || !word.startsWith(start)) continue;
    return [flagOf(name), word.slice(start.length)];
  }
  return null;
}

/** The key of an option in its table; empty for a word that cannot be an option. */
function nameOf(flag: string): string {
  if (!/^--[a-z][a-z0-9-]*$/.test(flag)) return "";
  return flag.slice(2).replaceAll(
    /-([a-z])/g,
    (_, letter) => letter.toUpperCase(),
  );
}

function readValue(
  spec: Spec<unknown>,
  text: string,
  before: unknown,
  of: string,
  hint = "",
): unknown {
  try {
    return spec.read(text, before);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw usage(of + error.message + hint);
  }
}

/** What follows the message about a word that may have been meant to serve. */
const TO_SERVE = ": give a program after --, a module with --handler";

function readOperands(
  { name, operands, takesProgram = false }: Syntax<Specs, Specs>,
  texts: readonly string[],
  values: Map<string, unknown>,
  path: string,
): void {
  const all = Object.entries(operands);
  if (texts.length > all.length) {
    const many = all.length === 1 ? "1 argument" : `${all.length} arguments`;
    const got = `${texts.length}: ${texts.join(", ")}`;
    wrong(
      `too many arguments for '${name}'. Expected ${many} but got ${got}${
        takesProgram ? TO_SERVE : ""
      }`,
      path,
    );
  }
  for (const [at, [operand, spec]] of all.entries()) {
    const text = texts[at];
    if (text !== undefined) {
      const before = spec.isRequired ? undefined : spec.initial;
      const hint = takesProgram && /[^\d.+-]/.test(text) ? TO_SERVE : "";
      values.set(operand, readValue(spec, text, before, "", hint));
    } else if (spec.isRequired) {
      wrong(`missing required argument '${operand}'`, path);
    }
  }
}

/** Words that differ more are others. */
const MOST_EDITS = 3;
const LEAST_LIKENESS = 0.4;

/** The words that are nearest to one that was typed. */
export function suggest(typed: string, words: readonly string[]): string {
  let nearest: string[] = [];
  let fewest = MOST_EDITS + 1;
  for (const word of words) {
    const edits = distance(strip(typed), strip(word));
    const length = Math.max(strip(typed).length, strip(word).length);
    if (edits > fewest || edits > MOST_EDITS) continue;
    if ((length - edits) / length <= LEAST_LIKENESS) continue;
    if (edits < fewest) nearest = [];
    fewest = edits;
    nearest.push(word);
  }
  if (nearest.length === 0) return "";
  const which = nearest.sort().join(", ");
  return ` (Did you mean ${nearest.length > 1 ? "one of " : ""}${which}?)`;
}

/** Two hyphens that all options have make none of them more alike. */
function strip(word: string): string {
  return word.replace(/^--/, "");
}

/** How many letters must be added, removed, changed, or swapped with the next one. */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = one[i - 1] === other[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change);
      const swapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] &&
        one[i - 2] === other[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[other.length]!;
}
