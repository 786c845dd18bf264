/**
 * Running servers, asked over their control sockets.
 *
 * @module
 */
import { ControlClient } from "../../src/control/ask.ts";
import { runHere } from "../helpers/run_here.ts";
import type { TestServer } from "../helpers/server.ts";
import { exists, until } from "../helpers/testing.ts";

/** Where a server's control socket is, unless it was asked for elsewhere. */
export function controlPath(server: TestServer): string {
  return server.controlPath;
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

/** Asks a server as a command does that must end well, and reads its JSON. The server: the path of its socket. */
export async function json<T>(args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await runHere([...args, "--json"]);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout) as T;
}
