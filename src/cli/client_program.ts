/**
 * The client's command alone: who calls it waits for it to load, and for nothing of the server's.
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import manifest from "../../deno.json" with { type: "json" };
import { clientCommand } from "./client.ts";
import type { Program } from "./manual_options.ts";

/**
 * The program `mpclient`, or as much of `mpserv` as is the client.
 *
 * @param name Which.
 * @param setExitCode Gets the exit code when the conversation has ended well.
 * @returns The program.
 */
export function clientProgram(
  name: Program,
  setExitCode: (code: number) => void,
): CommandUnknownOpts {
  if (name === "mpclient") {
    return withVersion(withHelp(clientCommand(setExitCode, name)));
  }
  return new Command(name).addCommand(withHelp(clientCommand(setExitCode)));
}

/**
 * Gives a command its help.
 *
 * @param command The command.
 * @returns The same.
 */
export function withHelp(command: CommandUnknownOpts): CommandUnknownOpts {
  return command.helpOption("-h, --help", "print this help");
}

/**
 * Gives a program its version.
 *
 * @param program The program.
 * @returns The same.
 */
export function withVersion(program: CommandUnknownOpts): CommandUnknownOpts {
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
