/**
 * The commands `mpserv completions` and `mpserv man`.
 *
 * @module
 */
import { choice, or, required } from "../options.ts";
import type { Grammar } from "../grammar.ts";
import { PROGRAMS } from "../programs.ts";
import { print } from "../terminal.ts";
import { command } from "../command.ts";

/** The shells that there are completions for. */
const SHELLS = ["bash", "zsh", "fish"] as const;

type Maker = (programs: readonly Grammar[]) => string;
const MAKERS: Record<typeof SHELLS[number], () => Promise<Maker>> = {
  bash: async () => (await import("./completions/bash.ts")).bashCompletions,
  zsh: async () => (await import("./completions/zsh.ts")).zshCompletions,
  fish: async () => (await import("./completions/fish.ts")).fishCompletions,
};

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
    const { readGrammar } = await import("../grammar.ts");
    const wanted = program === undefined ? PROGRAMS : [program];
    const complete = await MAKERS[shell]();
    print(complete(await Promise.all(wanted.map(readGrammar))));
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
