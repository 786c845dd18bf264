/**
 * `mpserv completions` and `mpserv man`: what a person types.
 *
 * @module
 */
import {
  Argument,
  Command,
  type CommandUnknownOpts as AnyCommand,
} from "@commander-js/extra-typings";
import { print } from "./terminal.ts";

/** The shells that there are completions for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of {@linkcode SHELLS}. */
export type Shell = typeof SHELLS[number];
/** The programs. */
export const PROGRAMS = ["mpserv", "mpclient"] as const;
/** One of {@linkcode PROGRAMS}. */
export type Program = typeof PROGRAMS[number];

/** Gives a program's command line as commander knows it, with all its commands. */
export type Definitions = Readonly<Record<Program, () => AnyCommand>>;

const COMPLETIONS_NOTES = `
Examples:
  source <(mpserv completions bash)              in ~/.bashrc
  source <(mpserv completions zsh)               in ~/.zshrc, after compinit
  mpserv completions fish | source               in ~/.config/fish/config.fish
  mpserv completions zsh >~/.zfunc/_mpserv       as a file of fpath`;

const MAN_NOTES = `
Examples:
  mpserv man | man -l -                          read it
  mpserv man mpclient >/usr/local/share/man/man1/mpclient.1`;

/**
 * The command `completions`, to be added to a program.
 *
 * @param definitions What there is to complete.
 * @returns The command.
 */
export function completionsCommand(definitions: Definitions): AnyCommand {
  const command = new Command("completions")
    .description("Print completions for a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addArgument(
      new Argument("[program]", "for one program alone").choices(PROGRAMS),
    )
    .addHelpText("after", COMPLETIONS_NOTES)
    .action(async (shell, program) => {
      const { makeCompletions } = await import("./completions/mod.ts");
      const { readGrammar } = await import("./grammar.ts");
      const wanted = program === undefined ? PROGRAMS : [program];
      print(makeCompletions(
        shell,
        wanted.map((name) => readGrammar(definitions[name]())),
      ));
    });
  return command;
}

/**
 * The command `man`, to be added to a program.
 *
 * @param definitions What there is to describe.
 * @returns The command.
 */
export function manCommand(definitions: Definitions): AnyCommand {
  const command = new Command("man")
    .description("Print a manual page.")
    .addArgument(
      new Argument("[page]", "which").choices(PROGRAMS).default(
        "mpserv" as const,
      ),
    )
    .addHelpText("after", MAN_NOTES)
    .action(async (page) => {
      const { makeManual } = await import("./man.ts");
      const { readGrammar } = await import("./grammar.ts");
      print(makeManual(readGrammar(definitions[page]())));
    });
  return command;
}
