/**
 * The programs as commander knows them, with all their commands.
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { benchCommand } from "./bench_options.ts";
import { clientProgram, withHelp, withVersion } from "./client_program.ts";
import { clientCommand } from "./client.ts";
import { controlCommands } from "./control_commands.ts";
import {
  completionsCommand,
  type Definitions,
  manCommand,
} from "./manual_options.ts";
import { splitProgram } from "./program.ts";
import { serveCommand } from "./serve_options.ts";

/** A program, and what it is to parse. */
export interface CommandLine {
  /** The program. */
  readonly program: CommandUnknownOpts;
  /** What was typed, but for the command line of a program that serves. */
  readonly own: readonly string[];
}

/**
 * The program `mpserv`.
 *
 * @param args What came after its name.
 * @param setExitCode Gets the exit code of a command that has ended well.
 * @returns The program.
 */
export function serverProgram(
  args: readonly string[],
  setExitCode: (code: number) => void,
): CommandLine {
  const { own, program: words } = splitProgram(args);
  const definitions: Definitions = {
    mpserv: () => define(definitions, words, setExitCode),
    mpclient: () => clientProgram("mpclient", setExitCode),
  };
  return { program: definitions.mpserv(), own };
}

function define(
  definitions: Definitions,
  words: readonly string[] | undefined,
  setExitCode: (code: number) => void,
): CommandUnknownOpts {
  const program = new Command("mpserv").description(
    "A TCP server that gives every connection a process of its own.",
  );
  program.addCommand(serveCommand(words, async (options) => {
    setExitCode(await (await import("./serve.ts")).serve(options));
  }));
  program.addCommand(clientCommand(setExitCode));
  program.addCommand(benchCommand(async (options) => {
    await (await import("./bench.ts")).bench(options);
  }));
  for (const command of controlCommands()) program.addCommand(command);
  program.addCommand(completionsCommand(definitions));
  program.addCommand(manCommand(definitions));
  for (const command of program.commands) withHelp(command);
  return withVersion(
    withHelp(program).helpCommand("help [command]", "Print a command's help."),
  );
}
