/**
 * The command line: which command, which options, and the help.
 *
 * @module
 */
import {
  Command,
  CommanderError,
  type CommandUnknownOpts,
} from "@commander-js/extra-typings";
import manifest from "../../deno.json" with { type: "json" };
import { benchCommand } from "./bench_options.ts";
import { clientCommand } from "./client.ts";
import { controlCommands } from "./control_commands.ts";
import {
  completionsCommand,
  type Definitions,
  manCommand,
  type Program,
} from "./manual_options.ts";
import { splitProgram } from "./program.ts";
import { serveCommand } from "./serve_options.ts";
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
  const { own, program: words } = splitProgram(args);
  const definitions: Definitions = {
    mpserv: () => serverProgram(definitions, words, (code) => exitCode = code),
    mpclient: () => clientProgram((code) => exitCode = code),
  };
  const program = definitions[name]();
  for (const command of [program, ...program.commands]) {
    const words = command === program ? name : `${name} ${command.name()}`;
    command.exitOverride().showSuggestionAfterError().configureOutput({
      outputError: (text) => say(explainUsage(text, words)),
      writeErr: (text) => say(text.trimEnd()),
      writeOut: print,
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

function serverProgram(
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

/** The command `client` as a program. */
function clientProgram(
  setExitCode: (code: number) => void,
): CommandUnknownOpts {
  return withVersion(withHelp(clientCommand(setExitCode, "mpclient")));
}

function withHelp(command: CommandUnknownOpts): CommandUnknownOpts {
  return command.helpOption("-h, --help", "print this help");
}

function withVersion(program: CommandUnknownOpts): CommandUnknownOpts {
  return program.version(
    versionText(program.name()),
    "--version",
    "print the versions",
  );
}

function versionText(name: string): string {
  const kind = Deno.build.standalone ? "compiled" : "from source";
  const { deno, v8 } = Deno.version;
  return `${name} ${manifest.version} (Deno ${deno}, V8 ${v8}, ${Deno.build.target}, ${kind})`;
}
