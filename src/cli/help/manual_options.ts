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
    shell: required(choice("shell", "the shell", SHELLS)),
    program: choice("program", "for one program alone", PROGRAMS),
  },
  options: {},
  notes: `
Examples:
  source <(mpserv completions bash)              in ~/.bashrc
  source <(mpserv completions zsh)               in ~/.zshrc, after compinit
  mpserv completions fish | source               in ~/.config/fish/config.fish
  mpserv completions zsh >~/.zfunc/_mpserv       as a file of fpath`,
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
  operands: { page: or(choice("page", "the page", PROGRAMS), "mpserv") },
  options: {},
  notes: `
Examples:
  mpserv man | man -l -                          read it
  mpserv man mpclient >/usr/local/share/man/man1/mpclient.1`,
  begin: ({ operands: { page } }) => async () => {
    const { makeManual } = await import("./man.ts");
    const { readGrammar } = await import("../grammar.ts");
    print(makeManual(await readGrammar(page)));
  },
});
