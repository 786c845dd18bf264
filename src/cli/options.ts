/**
 * The options and operands of a command, each stated once: its value, its default, its choices, its group
 * and a sentence. Parsing, help, manual pages and completions are made of these tables.
 *
 * @module
 */
import { type Network, parseNetwork } from "../server/networks.ts";
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  formatDuration,
  parseCount,
  parseDuration,
  parseHost,
  parsePort,
} from "./values.ts";

/** The things with which a shell can complete a value. */
export type Hint = "file" | "directory" | "user";

/** An option, or an operand, whose value is a `T`. */
export interface Spec<T> {
  /** The value as the help shows it, such as `<addr>`; undefined for a switch. */
  readonly value: string | undefined;
  /** Its description: one line of plain English. */
  readonly about: string;
  /** Its default as the help shows it; undefined without a default. */
  readonly shown: string | undefined;
  /** All values that it takes; undefined where there are too many. */
  readonly choices: readonly string[] | undefined;
  /** The things with which a shell can complete it. */
  readonly hint: Hint | undefined;
  /** Whether an option `--name` can be typed as `--name-VALUE`. */
  readonly isFamily: boolean;
  /** Whether an operand must be typed. */
  readonly isRequired: boolean;
  /** Whether it is in the short help. */
  readonly isEveryday: boolean;
  /** The heading in the help. */
  group: string;
  /** Its value where it is not typed. */
  readonly initial: T;
  /**
   * Reads the typed word. Throws `RangeError` when it is no such value; the message has the value and the
   * expectation.
   */
  read(text: string, before: T): T;
}

/** A table: options by their names, `idleTimeout` for `--idle-timeout`, or operands in their order. */
export type Specs = Readonly<Record<string, Spec<unknown>>>;

/** The values of a table. */
export type Values<S extends Specs> = {
  readonly [Name in keyof S]: S[Name]["initial"];
};

const PLAIN = {
  shown: undefined,
  choices: undefined,
  hint: undefined,
  isFamily: false,
  isRequired: false,
  isEveryday: false,
  group: "Options",
};

/** Gives a table its heading in the help. */
export function group<S extends Specs>(heading: string, table: S): S {
  for (const spec of Object.values(table)) spec.group = heading;
  return table;
}

/** Puts an option into the short help of its command. */
export function everyday<T>(spec: Spec<T>): Spec<T> {
  return { ...spec, isEveryday: true };
}

/** A switch. */
export function flag(about: string): Spec<boolean> {
  return {
    ...PLAIN,
    value: undefined,
    about,
    initial: false,
    read: () => true,
  };
}

/** An option with a value and no default. Its value is undefined where it is not typed. */
export function option<T>(
  value: string,
  about: string,
  read: (text: string, before: T | undefined) => T,
  hint?: Hint,
): Spec<T | undefined> {
  return { ...PLAIN, value, about, hint, initial: undefined, read };
}

/** The same with a default. Its value is never undefined. */
export function or<T>(
  spec: Spec<T | undefined>,
  initial: T,
  shown: string = String(initial),
): Spec<T> {
  return {
    ...spec,
    initial,
    shown,
    read: (text, before) => spec.read(text, before) ?? initial,
  };
}

/** An operand that must be typed. */
export function required<T>(spec: Spec<T | undefined>): Spec<T> {
  const read = (text: string, before: T) => spec.read(text, before) ?? before;
  return {
    ...spec,
    isRequired: true,
    read,
    get initial(): T {
      throw new TypeError("It has no value before it is typed");
    },
  };
}

/** An option with a fixed set of values. Its value is one of them, or undefined where it is not typed. */
export function choice<const C extends string>(
  value: string,
  about: string,
  choices: readonly C[],
): Spec<C | undefined> {
  const read = (text: string) => {
    const chosen = choices.find((one) => one === text);
    if (chosen !== undefined) return chosen;
    throw new RangeError(
      `Cannot use "${text}": expected one of ${choices.join(", ")}`,
    );
  };
  return { ...option(value, about, read), choices };
}

/** The same, which may be typed again for more. Its value is all that were typed, or undefined. */
export function several<const C extends string>(
  value: string,
  about: string,
  choices: readonly C[],
): Spec<C[] | undefined> {
  const one = choice(value, about, choices);
  const read = (text: string, before: C[] | undefined) => {
    const chosen = one.read(text, undefined);
    return [...before ?? [], ...chosen === undefined ? [] : [chosen]];
  };
  return { ...option(value, about, read), choices };
}

/** A name, a path, an address of something: anything but nothing. */
export function named(
  value: string,
  about: string,
  name: string,
  hint?: Hint,
): Spec<string | undefined> {
  const read = (text: string) => {
    if (text !== "") return text;
    throw new RangeError(`Cannot use an empty ${name}: give a value`);
  };
  return option(value, about, read, hint);
}

/** A whole number. */
export function count(
  about: string,
  what: string,
  least = 0,
): Spec<number | undefined> {
  return option("<n>", about, (text) => parseCount(text, what, least));
}

/** A duration. Its value is in milliseconds. */
export function duration(about: string): Spec<number | undefined> {
  return option("<time>", about, parseDuration);
}

/** A duration with a default. `initial`: the default, in milliseconds. Its value is in milliseconds. */
export function durationOr(about: string, initial: number): Spec<number> {
  return or(duration(about), initial, formatDuration(initial));
}

/**
 * Networks, with commas between them; an option that is typed again adds to them.
 */
export function networks(about: string): Spec<Network[] | undefined> {
  return option("<networks>", about, readNetworks);
}

/** Reads networks. Throws `RangeError` when one of them is none. */
export function readNetworks(
  text: string,
  before: readonly Network[] | undefined,
): Network[] {
  const more = text.split(",").map((one) => parseNetwork(one.trim()));
  return [...before ?? [], ...more];
}

/** The operands that say which server to connect to. */
export const serverOperands = () => ({
  host: or(
    option("host", "address or name of the server", parseHost),
    DEFAULT_HOST,
  ),
  port: or(
    option(
      "port",
      "TCP port or service name",
      (text) => parsePort(text, 1),
    ),
    DEFAULT_PORT,
  ),
});
