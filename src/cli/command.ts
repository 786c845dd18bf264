/**
 * A command: what can be typed, and what it does.
 *
 * @module
 */
import type { Specs } from "./options.ts";
import { type Line, type Question, readWords, type Syntax } from "./words.ts";

/** Does what a command line asks for; resolves to the exit code, 0 where it says none. */
export type Action = () => Promise<number | void>;

/** A command, whatever its options are. */
export interface Command extends Syntax<Specs, Specs> {
  /** What it does, in one line; `help/pages.ts` has its examples, signals and exit codes. */
  readonly about: string;
  /**
   * Reads a command line, and checks it as far as that can be done before anything is begun.
   *
   * @throws {UserError} When it is wrong.
   */
  understand(words: readonly string[], path: string): Action | Question;
}

/** A command as it is written down. */
export interface CommandSpec<O extends Specs, A extends Specs>
  extends Syntax<O, A> {
  /** What it does, in one line. */
  readonly about: string;
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
