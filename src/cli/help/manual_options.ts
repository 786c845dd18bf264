/**
 * `mpserv completions` and `mpserv man`: what a person types.
 *
 * @module
 */
import { command } from "../command.ts";
import { choice, or, required } from "../options.ts";
import { PROGRAMS } from "../programs.ts";
import { print } from "../terminal.ts";

/** The shells that there are completions for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];

/** `mpserv completions`. */
export const completions = command({
  name: "completions",
  about: "Print completions for a shell.",
  operands: {
    shell: required(choice("shell", "shell to complete in", SHELLS)),
    program: choice("program", "complete only this program", PROGRAMS),
  },
  options: {},
  begin: ({ operands: { shell, program } }) => async () => {
    const { makeCompletions } = await import("./completions/mod.ts");
    const { readGrammar } = await import("../grammar.ts");
    const wanted = program === undefined ? PROGRAMS : [program];
    print(makeCompletions(shell, await Promise.all(wanted.map(readGrammar))));
  },
});

/** `mpserv man`. */
export const man = command({
  name: "man",
  about: "Print a manual page.",
  operands: { page: or(choice("page", "page to print", PROGRAMS), "mpserv") },
  options: {},
  begin: ({ operands: { page } }) => async () => {
    const { makeManual } = await import("./man.ts");
    const { readGrammar } = await import("../grammar.ts");
    print(makeManual(await readGrammar(page)));
  },
});
