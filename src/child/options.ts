/**
 * What a parent tells a child on its command line.
 *
 * @module
 */
import type { ServiceChoice } from "../service/load.ts";

/** How to serve. */
export interface ChildOptions {
  /** What to do with connections. */
  readonly service: ServiceChoice;
  /** Milliseconds without a byte after which a connection is ended; 0 for never. */
  readonly idleTimeout: number;
  /** Permissions that handlers keep, by Deno's names: `net`, `read=/srv/data`. */
  readonly grants: readonly string[];
}

/**
 * Writes the options as one argument.
 *
 * @param options How to serve.
 * @returns JSON.
 */
export function encodeOptions(options: ChildOptions): string {
  return JSON.stringify(options);
}

/**
 * Reads the options that {@linkcode encodeOptions} wrote.
 *
 * @param argument The argument.
 * @returns The options.
 * @throws {SyntaxError} When a person started this role by hand.
 */
export function decodeOptions(argument: string): ChildOptions {
  return JSON.parse(argument) as ChildOptions;
}
