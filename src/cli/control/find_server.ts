/**
 * Finds the server that a command is meant for.
 *
 * @module
 */
import { ControlClient, NobodyThere } from "../../control/ask.ts";
import {
  controlDirectories,
  controlName,
  controlSockets,
} from "../../control/place.ts";
import type { Status } from "../../control/protocol.ts";
import { parsePort } from "../options.ts";
import { EXIT, UserError } from "../terminal.ts";

/**
 * Connects to the server that is meant. `target`: a port, the path of a control socket or of a Unix domain socket
 * that is served; undefined for the one server that runs. Returns the connection, the caller's to dispose of. Throws
 * `ControlError` when there is none. Throws `UserError` when there is none of ours, or more than one could be meant.
 */
export async function findServer(
  target: string | undefined,
): Promise<ControlClient> {
  if (target === undefined) return await theOnlyOne();
  return await ControlClient.connect(await locate(target));
}

/** Where the control socket of a server is. Throws `UserError` when no server has that port. */
export async function locate(target: string): Promise<string> {
  const isPort = /^\d+$/.test(target);
  const name = await controlName(
    isPort ? { port: portOf(target) } : { path: target },
  );
  for (const directory of controlDirectories()) {
    const path = `${directory}/${name}`;
    if (await isAlive(path)) return path;
  }
  if (!isPort) return target;
  throw new UserError(
    `Cannot find a server on port ${target}: no server of yours has a control socket for it: check the port, or give the path of the control socket`,
  );
}

function portOf(text: string): number {
  try {
    return parsePort(text, 1);
  } catch (error) {
    throw new UserError((error as Error).message, EXIT.usage);
  }
}

async function isAlive(path: string): Promise<boolean> {
  try {
    using _ = await ControlClient.connect(path);
    return true;
  } catch (error) {
    if (error instanceof NobodyThere) return false;
    throw error;
  }
}

interface FoundServer {
  readonly path: string;
  readonly client: ControlClient;
  readonly status: Status;
}

/** One that drains is meant only when there is no other. */
async function theOnlyOne(): Promise<ControlClient> {
  const found: FoundServer[] = [];
  for (const path of controlDirectories().flatMap(controlSockets)) {
    const client = await ControlClient.connect(path).catch(() => null);
    if (client === null) continue;
    try {
      found.push({
        path,
        client,
        status: await client.ask({ command: "status" }),
      });
    } catch {
      client[Symbol.dispose](); // it is just ending, or no server of ours
    }
  }
  const serving = found.filter(({ status }) => status.state === "serving");
  const meant = serving.length > 0 ? serving : found;
  for (const { client } of found) {
    if (client !== meant[0]?.client || meant.length > 1) {
      client[Symbol.dispose]();
    }
  }
  if (meant.length === 1) return meant[0]!.client;
  if (meant.length === 0) {
    throw new UserError(
      "Cannot find a server: no server of yours has a control socket: start one with `mpserv serve`, or give the path of a control socket",
    );
  }
  throw new UserError(
    `Cannot choose between ${meant.length} servers: give one of ${
      meant.map(describe).join(", ")
    }`,
    EXIT.usage,
  );
}

/** Describes a server: the word to type, its address and process. */
function describe({ path, status: { address, pid } }: FoundServer): string {
  const port = /\/(\d+)\.sock$/.exec(path)?.[1];
  return `${port ?? path} (${address}, pid ${pid})`;
}
