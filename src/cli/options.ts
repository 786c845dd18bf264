/**
 * The options and operands of a command, each stated once: its value, its default, its choices, its group
 * and a sentence. Parsing, help, manual pages and completions are made of these tables.
 *
 * @module
 */
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
  readonly isRequired: boolean;
  readonly isEveryday: boolean;
  group: string;
  /** Its value where it is not typed. */
  readonly initial: T;
  /**
   * Reads the typed word. Throws `RangeError` when it is no such value; the message has the value and the expectation.
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

/** An address or a name; where it is not typed, this machine alone. */
export function host(value: string, about: string): Spec<string> {
  return or(option(value, about, parseHost), DEFAULT_HOST);
}

/** A TCP port, or the name of a service that has one. */
export function port(about: string, least: 0 | 1): Spec<number> {
  const read = (text: string) => parsePort(text, least);
  return or(option("port", about, read), DEFAULT_PORT);
}

/** The operands that say which server to connect to. */
export const serverOperands = () => ({
  host: host("host", "address or name of the server"),
  port: port("TCP port or service name", 1),
});

/*
 * Values that a person types: ports, durations, sizes, counts. Each parser throws a `RangeError`
 * that names the value and what is wanted.
 */

/** Where a server listens, and a client connects to, unless told otherwise. */
const DEFAULT_HOST = "127.0.0.1";
/** The TCP port of both. */
const DEFAULT_PORT = 9190;
/** Names of ports: services(5). */
const SERVICES = "/etc/services";

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
// Longer than any timer: setTimeout and poll(2) take 2^31 - 1 ms at most.
const MAX_DURATION = 2 ** 31 - 1;

/** A name that a service may have (RFC 6335, 5.1), and some that are older: it has a letter. */
const SERVICE_NAME = /^(?=.*[a-z])[a-z0-9][a-z0-9+._-]*$/i;

/** A TCP port. Throws `RangeError` when it is none. */
export function parsePort(text: string, least: 0 | 1 = 0): number {
  const wanted = `expected a whole number from ${least} to 65535`;
  if (SERVICE_NAME.test(text)) return portOfService(text, wanted);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (least <= port && port <= 65535) return port;
  throw new RangeError(`Cannot use port "${text}": ${wanted}`);
}

/** The port of a service in services(5), only TCP. */
function portOfService(name: string, wanted: string): number {
  let text: string;
  try {
    text = Deno.readTextFileSync(SERVICES);
  } catch (error) {
    throw new RangeError(
      `Cannot use port "${name}": ${wanted}; a name needs ${SERVICES} (${
        (error as Error).message
      })`,
    );
  }
  for (const line of text.split("\n")) {
    const [own, port, ...aliases] = line.split("#")[0]!.trim().split(/\s+/);
    const [, number] = /^(\d{1,5})\/tcp$/.exec(port ?? "") ?? [];
    if (number !== undefined && [own, ...aliases].includes(name)) {
      return Number(number);
    }
  }
  throw new RangeError(
    `Cannot use port "${name}": ${wanted}, or a name of a TCP service in ${SERVICES}`,
  );
}

/** An address or a name of a machine. Throws `RangeError` when it is none: nothing, or a port where a host is due. */
function parseHost(text: string): string {
  const host = text.trim().replace(/^\[(.+)\]$/, "$1");
  const [, alone, port] = /^([^:]+|\[.+\]):(\d+)$/.exec(text) ?? [];
  if (alone !== undefined) {
    throw new RangeError(
      `Cannot use host "${text}": expected host and port as two words, such as ${alone} ${port}`,
    );
  }
  if (/^\d{1,5}$/.test(host)) {
    throw new RangeError(
      `Cannot use host "${text}": expected a host before the port, such as ${DEFAULT_HOST} ${text}`,
    );
  }
  if (host !== "") return host;
  throw new RangeError(
    `Cannot use host "${text}": expected an address or a name`,
  );
}

/** A whole number with a lower bound. Throws `RangeError` when it is none or too small. */
export function parseCount(text: string, what: string, least = 0): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (count >= least) return count;
  throw new RangeError(
    `Cannot use ${what} "${text}": expected a whole number of at least ${least}`,
  );
}

/**
 * A duration such as `500ms`, `1.5s`, `5m`, `2h`. Returns milliseconds, whole. Throws `RangeError` when it is none,
 * has no unit, or is longer than 24 days.
 */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const milliseconds = Math.round(
    Number(number) * (DURATION_UNITS[unit ?? ""] ?? NaN),
  );
  if (milliseconds <= MAX_DURATION) return milliseconds;
  if (text === "0") return 0;
  throw new RangeError(
    `Cannot use duration "${text}": expected a number and a unit, such as 500ms, 30s, 5m (24 days at most)`,
  );
}

/** A duration as a person reads it. For example `500ms`, `30s`, `1.5s`. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)}ms`
    : `${milliseconds / 1000}s`;
}

/** A size such as `4096`, `64KiB`, `1MB`. Returns bytes, whole. Throws `RangeError` when it is none. */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.round(Number(number) * (SIZE_UNITS[unit ?? "?"] ?? NaN));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(
    `Cannot use size "${text}": expected a number and a unit, such as 4096, 64KiB, 1MB`,
  );
}

/** A path from the root, with no `.` and `..` in it. Returns the same file, unless a `..` follows a symbolic link. */
export function absolute(path: string): string {
  const parts: string[] = [];
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
