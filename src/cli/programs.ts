/**
 * The programs and their commands by name: only the one that is called is loaded.
 *
 * @module
 */
import type { Command } from "./command.ts";

export const PROGRAMS = ["mpserv", "mpclient"] as const;
export type CommandProgram = typeof PROGRAMS[number];

/** The commands of `mpserv` in the order of its help, and where each is. */
export const PLACES = {
  serve: "./serve/options/serve_options.ts",
  client: "./client_command.ts",
  bench: "./bench/bench_options.ts",
  status: "./control/control_commands.ts",
  connections: "./control/control_commands.ts",
  drop: "./control/control_commands.ts",
  drain: "./control/control_commands.ts",
  top: "./control/control_commands.ts",
  events: "./control/control_commands.ts",
  page: "./control/control_commands.ts",
  completions: "./help/completions.ts",
  man: "./help/man.ts",
} as const;

type CommandName = keyof typeof PLACES;

/** Where the module is that starts the first process of a command, before the command's own code is read. */
export const EARLY_PLACES: Partial<Record<CommandName, string>> = {
  serve: "./serve/start_early.ts",
  client: "../client/writer_process.ts",
};

type Commands = Readonly<Record<string, Command>>;

/** A module that starts something early. */
interface EarlyModule {
  startEarly(words: readonly string[]): void;
}

/**
 * Modules that are in the same bundle as this one, by their place: an executable has no other files
 * (`.release/bundles.ts`).
 */
export const BUNDLED: Record<string, () => Promise<unknown>> = {};

export function isCommand(word: string | undefined): word is CommandName {
  return word !== undefined && Object.hasOwn(PLACES, word);
}

export async function loadCommand(name: CommandName): Promise<Command> {
  return (await load<Commands>(PLACES[name]))[name]!;
}

/**
 * Loads a module that is seldom wanted. Deno reads ahead what literal paths name, before the first line runs: this
 * one is none, so that it reads what is wanted alone. `.release/bundles.ts` finds the calls by their text. `place`:
 * where it is, seen from this folder.
 */
export async function load<Module>(place: string): Promise<Module> {
  return await (BUNDLED[place]?.() ?? import(place)) as Module;
}

/** Starts the first process of a command that has one. `words`: what follows the command's name. */
export async function startEarly(
  name: CommandName,
  words: readonly string[],
): Promise<void> {
  const place = EARLY_PLACES[name];
  if (place !== undefined) (await load<EarlyModule>(place)).startEarly(words);
}

/** Loads the client as a program of its own. */
export async function loadMpclient(): Promise<Command> {
  const name: CommandProgram = "mpclient";
  return { ...await loadCommand("client"), name };
}

export async function loadCommands(): Promise<Command[]> {
  const loaded: Command[] = [];
  for (const name of Object.keys(PLACES).filter(isCommand)) {
    loaded.push(await loadCommand(name));
  }
  return loaded;
}
