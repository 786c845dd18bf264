/**
 * Running servers, asked over their control sockets.
 *
 * @module
 */
import { ControlClient } from "../../src/control/client.ts";
import { commandEnvironment, runCommand } from "../helpers/command.ts";
import type { TestServer } from "../helpers/server.ts";
import { until } from "../helpers/testing.ts";

/** Where a server's control socket is, unless it was asked for elsewhere. */
export function controlPath(server: TestServer): string {
  const { XDG_RUNTIME_DIR } = commandEnvironment();
  return `${XDG_RUNTIME_DIR}/mpserv/${server.port}.sock`;
}

/** Whether there is a file. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Waits for a control socket, which is opened when clients are served already. */
export async function controlled(path: string): Promise<string> {
  await until(`${path} is there`, () => exists(path));
  return path;
}

/** A connection to a server's control socket. */
export async function ask(server: TestServer): Promise<ControlClient> {
  return await ControlClient.connect(await controlled(controlPath(server)));
}

/** Runs a command that must end well, and reads its JSON. */
export async function json<T>(args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runCommand([...args, "--json"]);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
