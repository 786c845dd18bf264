/**
 * `mpserv drop` and `mpserv drain`.
 *
 * @module
 */
import { ControlError } from "../../control/ask.ts";
import { findServer } from "./find_server.ts";
import { print, visible } from "../terminal.ts";

/** How often a server that drains is looked at, in milliseconds. */
const PAUSE = 200;

/**
 * Ends one connection.
 *
 * @throws {ControlError} When there is no such connection, or the server cannot be asked.
 */
export async function drop(
  id: number,
  target: string | undefined,
): Promise<void> {
  using client = await findServer(target);
  const { peer } = await client.ask({ command: "drop", id });
  print(visible(`dropping connection ${id} of ${peer}`) + "\n");
}

/**
 * Begins the drain of a server, as SIGTERM does.
 *
 * @param options `wait`: until it has ended.
 * @throws {ControlError} When it cannot be asked.
 */
export async function drain(
  target: string | undefined,
  options: { readonly wait?: boolean | undefined },
): Promise<void> {
  using client = await findServer(target);
  const { live } = await client.ask({ command: "drain" });
  const some = live === 1 ? "1 connection" : `${live} connections`;
  print(visible(`draining: ${some} may finish`) + "\n");
  if (!options.wait) return;
  try {
    for (;;) {
      await client.ask({ command: "status" });
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    // It hung up: it has ended.
  }
}
