/**
 * The command line: which command, which options, and the help.
 *
 * @module
 */
import { Command, CommanderError } from "@commander-js/extra-typings";
import manifest from "../../deno.json" with { type: "json" };
import { clientCommand } from "./client.ts";
import { splitProgram } from "./program.ts";
import { serveCommand } from "./serve_options.ts";
import { EXIT_USAGE, finish, say } from "./terminal.ts";

/**
 * Parses the command line and runs the command; ends the process.
 *
 * @param args What came after the program's name.
 * @returns Never.
 */
export function run(args: readonly string[]): Promise<never> {
  let exitCode = 0;
  const program = new Command("mpserv")
    .description(
      "A TCP server that gives every connection a process of its own.",
    )
    .version(versionText(), "--version", "print the versions")
    .helpOption("-h, --help", "print this help");
  const { own, program: words } = splitProgram(args);
  program.addCommand(serveCommand(words, async (options) => {
    exitCode = await (await import("./serve.ts")).serve(options);
  }));
  program.addCommand(clientCommand((code) => exitCode = code));
  for (const command of [program, ...program.commands]) {
    command.exitOverride().showSuggestionAfterError().configureOutput({
      outputError: (text) => say(text.trim().replaceAll(/\s*\n\s*/g, " ")),
      writeErr: (text) => say(text.trimEnd()),
    });
  }
  return finish(async () => {
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

function versionText(): string {
  const kind = Deno.build.standalone ? "compiled" : "from source";
  const { deno, v8 } = Deno.version;
  return `mpserv ${manifest.version} (Deno ${deno}, V8 ${v8}, ${Deno.build.target}, ${kind})`;
}
