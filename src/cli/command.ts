/**
 * A command: what can be typed, and what it does.
 *
 * @module
 */
import type { Specs } from "./options.ts";
import { type Line, readWords, type Syntax } from "./words.ts";

/** Does what a command line asks for; resolves to the exit code, 0 where it says none. */
export type Action = () => Promise<number | void>;

/** What the help says of a command. */
export interface Description {
  /** What it does, in one line. */
  readonly about: string;
  /** What the help says below the options: examples, signals, exit codes. */
  readonly notes: string;
}

/** A command, whatever its options are. */
export interface Command extends Description, Syntax<Specs, Specs> {
  /**
   * Reads a command line, and checks it as far as that can be done before anything is begun.
   *
   * @throws {UserError} When it is wrong.
   */
  understand(
    words: readonly string[],
    path: string,
  ): Action | "help" | "version";
}

/** A command as it is written down. */
export interface CommandSpec<O extends Specs, A extends Specs>
  extends Description, Syntax<O, A> {
  /**
   * Checks what was typed together, and loads nothing.
   *
   * @throws {UserError} When options contradict each other.
   */
  begin(line: Line<O, A>): Action;
}

/** Makes a command. */
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
