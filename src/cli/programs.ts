/**
 * The programs and their commands by name: only the one that is called is loaded.
 *
 * @module
 */
import "../posix/open_when_called.ts"; // before all that calls the C library
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

/** The command of a command line, and what follows it. */
export function commandWords(
  name: CommandProgram,
  words: readonly string[],
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

/**
 * Begins: starts the first process of a command that has one, before any other code is read. Returns which program is
 * called, and the words that follow its name.
 */
export async function begin(
  args: readonly string[],
): Promise<readonly [CommandProgram, readonly string[]]> {
  standWhereThePersonDoes();
  const [name, given] = args[0] === "@mpclient"
    ? ["mpclient", args.slice(1)] as const
    : ["mpserv", args] as const;
  const [command, ...words] = commandWords(name, given);
  const place = isCommand(command) ? EARLY_PLACES[command] : undefined;
  if (place !== undefined) (await load<EarlyModule>(place)).startEarly(words);
  return [name, given];
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
