/**
 * Runs the command that a command line calls.
 *
 * @module
 */
import type { Action, Command } from "./command.ts";
import {
  type CommandProgram,
  commandWords,
  isCommand,
  load,
  loadCommand,
  loadMpclient,
} from "./programs.ts";
import { endExporting, exportsTelemetry } from "./serve/telemetry.ts";
import { outcome } from "./terminal.ts";

type Help = typeof import("./help/help.ts");

/** Understands the command line and runs the command; ends the process. */
export function run(
  name: CommandProgram,
  words: readonly string[],
): Promise<void> {
  return finish(async () => await (await understand(words, name))() ?? 0);
}

/** Understands a command line, and begins nothing. Throws `UserError` when it is wrong. */
export async function understand(
  args: readonly string[],
  name: CommandProgram = "mpserv",
): Promise<Action> {
  const typed = name === "mpclient" ? args : commandWords(name, args);
  // The runtime replaced bytes that are not UTF-8.
  const given = typed.some((word) => word.includes("\ufffd"))
    ? (await load<typeof import("./given.ts")>("./given.ts")).givenWords(typed)
    : typed;
  if (name === "mpclient") {
    return understandAs(await loadMpclient(), given, name);
  }
  const [first, ...words] = given;
  if (isCommand(first)) {
    const command = await loadCommand(first);
    // A host may have that name; a port has not, and a path can be written as `./help`.
    const isHelp = words.length === 1 && words[0] === "help" &&
      !("host" in command.operands);
    const asked = isHelp ? ["--help"] : words;
    return understandAs(command, asked, `${name} ${first}`);
  }
  return (await load<Help>("./help/help.ts")).understandProgram(given);
}

/** Understands the command line of a command. Throws `UserError` when it is wrong. */
function understandAs(
  command: Command,
  words: readonly string[],
  path: string,
): Action {
  const understood = command.understand(words, path);
  if (typeof understood === "function") return understood;
  return async () => {
    const { answer } = await load<Help>("./help/help.ts");
    await answer(understood, command, path);
  };
}

/** Runs a tool of the project, which is no command of `mpserv`; ends the process. */
export function runTool(
  command: Command,
  args: readonly string[],
): Promise<void> {
  const path = `deno task ${command.name}`;
  return finish(async () => await understandAs(command, args, path)() ?? 0);
}

/** Runs a command and ends the process: no stack trace for what a person can cause. */
async function finish(command: () => Promise<number>): Promise<void> {
  const code = await outcome(command);
  if (!exportsTelemetry()) Deno.exit(code);
  await endExporting(code);
}
