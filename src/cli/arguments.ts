/**
 * How the values of options are taken from the command line.
 *
 * @module
 */
import {
  Argument,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";
import { type Network, parseNetwork } from "../server/networks.ts";
import {
  DEFAULT_HOST,
  DEFAULT_PORT,
  parseCount,
  parseDuration,
  parseHost,
  parsePort,
} from "./values.ts";

/**
 * Turns our parsers' errors into the ones that commander shows as wrong usage.
 *
 * @param parse A parser of `values.ts`.
 * @returns The same, for commander.
 */
export function valueOf<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}

/**
 * Of whom to connect to: the host.
 *
 * @returns The argument, {@linkcode DEFAULT_HOST} where it is not given.
 */
export function serverHost(): Argument<"[host]", string, string> {
  return new Argument("[host]", "address or name of the server")
    .argParser(valueOf(parseHost)).default(DEFAULT_HOST);
}

/**
 * Of whom to connect to: the port.
 *
 * @returns The argument, {@linkcode DEFAULT_PORT} where it is not given.
 */
export function serverPort(): Argument<"[port]", number, number> {
  return new Argument("[port]", "its TCP port, or the name of a service")
    .argParser(valueOf((text) => parsePort(text, 1))).default(DEFAULT_PORT);
}

/**
 * Of whom to connect to: a path in the place of both.
 *
 * @returns The option.
 */
export function serverPath(): Option<
  "--unix <path>",
  undefined,
  undefined,
  string
> {
  return new Option("--unix <path>", "connect to a Unix domain socket instead")
    .argParser(named("--unix"));
}

/**
 * A name or path: anything but nothing.
 *
 * @param flag The option, for the message.
 * @returns A parser.
 */
export function named(flag: string): (text: string) => string {
  return (text) => {
    if (text !== "") return text;
    throw new InvalidArgumentError(
      `Cannot use an empty ${flag}: give a value`,
    );
  };
}

/**
 * A whole number.
 *
 * @param what What it counts, for the message.
 * @param least The smallest that is allowed.
 * @returns A parser.
 */
export function count(what: string, least = 0): (text: string) => number {
  return valueOf((text) => parseCount(text, what, least));
}

/**
 * An option whose value is a duration.
 *
 * @param flags Its names and its value, as commander wants them.
 * @param description For the help.
 * @returns The option; its value is in milliseconds.
 */
export function duration<const Flags extends string>(
  flags: Flags,
  description: string,
): Option<Flags, undefined, undefined, number> {
  return new Option(flags, description).argParser(valueOf(parseDuration));
}

/**
 * Networks, with commas between them; an option that is given again adds to them.
 *
 * @param text What was typed.
 * @param before What was typed before.
 * @returns All of them.
 */
export function networks(
  text: string,
  before: Network[] | undefined,
): Network[] {
  const parse = valueOf(parseNetwork);
  return [
    ...before ?? [],
    ...text.split(",").map((network) => parse(network.trim())),
  ];
}
