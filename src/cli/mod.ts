/**
 * The command line: which command, which options, and the help.
 *
 * @module
 */
import { CommanderError } from "@commander-js/extra-typings";
import type { Program } from "./manual_options.ts";
import type { CommandLine } from "./programs.ts";
import { EXIT_USAGE, finish, print, say } from "./terminal.ts";
import { explainUsage } from "./wrong_usage.ts";

/**
 * Parses the command line and runs the command; ends the process.
 *
 * @param args What came after the program's name.
 * @param name The program's name: `mpclient` is the client alone.
 * @returns When the process is left to end by itself.
 */
export function run(
  args: readonly string[],
  name: Program = "mpserv",
): Promise<void> {
  let exitCode = 0;
  return finish(async () => {
    const { program, own } = await load(args, name, (code) => exitCode = code);
    for (const command of [program, ...program.commands]) {
      const words = command === program ? name : `${name} ${command.name()}`;
      command.exitOverride().showSuggestionAfterError().configureOutput({
        outputError: (text) => say(explainUsage(text, words)),
        writeErr: (text) => say(text.trimEnd()),
        writeOut: print,
      });
    }
    try {
      await program.parseAsync(own, { from: "user" });
      return exitCode;
    } catch (error) {
      if (error instanceof CommanderError) {
        return error.exitCode === 0 ? 0 : EXIT_USAGE;
      }
      throw error;
    }
  });
}

/** Loads the commands: all of them where more than the client's may be meant. */
async function load(
  args: readonly string[],
  name: Program,
  setExitCode: (code: number) => void,
): Promise<CommandLine> {
  if (name === "mpserv" && args[0] !== "client") {
    return (await import("./programs.ts")).serverProgram(args, setExitCode);
  }
  const { clientProgram } = await import("./client_program.ts");
  return { program: clientProgram(name, setExitCode), own: args };
}
