/**
 * Runs the command that a command line calls.
 *
 * @module
 */

import "../posix/open_when_called.ts"; // before all that calls the C library
import type { Action, Command } from "./command.ts";
import {
  type CommandProgram,
  isCommand,
  load,
  loadCommand,
  loadMpclient,
  startEarly,
} from "./programs.ts";
import { endExporting, exportsTelemetry } from "./serve/telemetry.ts";
import { outcome } from "./terminal.ts";

type Help = typeof import("./help/help.ts");

/** Understands the command line and runs the command; ends the process. */
export function run(args: readonly string[]): Promise<void> {
  standWhereThePersonDoes();
  const [words, name] = args[0] === "@mpclient"
    ? [args.slice(1), "mpclient"] as const
    : [args, "mpserv"] as const;
  return finish(async () => {
    const [command, ...own] = commandWords(words, name);
    if (isCommand(command)) await startEarly(command, own);
    return await (await understand(words, name))() ?? 0;
  });
}

/** The command of a command line, and what follows it. */
function commandWords(
  words: readonly string[],
  name: CommandProgram,
): readonly string[] {
  if (name === "mpclient") return ["client", ...words];
  // `mpserv 9190` is the seed's own command line: a number where a command is due means to serve there.
  return /^\d+$/.test(words[0] ?? "") ? ["serve", ...words] : words;
}

/** The folder of our `deno.json`, in which `deno task` runs its commands. */
const ROOT = decodeURIComponent(new URL("../..", import.meta.url).pathname);

/** A person's paths are relative to where `deno task` was typed, which it says in a variable. */
function standWhereThePersonDoes(): void {
  try {
    if (Deno.build.standalone || `${Deno.cwd()}/` !== ROOT) return;
    const typedIn = Deno.env.get("INIT_CWD");
    if (typedIn !== undefined) Deno.chdir(typedIn);
  } catch {
    // One of them is gone, or another user's: relative paths stay those of here.
  }
}

/** Understands a command line, and begins nothing. Throws `UserError` when it is wrong. */
export async function understand(
  args: readonly string[],
  name: CommandProgram = "mpserv",
): Promise<Action> {
  const typed = name === "mpclient" ? args : commandWords(args, name);
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
