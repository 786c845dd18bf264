/**
 * The actions of `mpserv status`, `connections`, `drop` and `drain`.
 *
 * @module
 */
import { ControlError } from "../../control/ask.ts";
import { listConnections } from "../../control/movement.ts";
import type { Status } from "../../control/protocol.ts";
import { print, visible } from "../terminal.ts";
import { findServer } from "./find_server.ts";
import {
  rewindingLines,
  showAge,
  showBytes,
  showCounts,
  table,
} from "./show.ts";

/** How an answer is printed. */
export interface LookOptions {
  /** As one line of JSON instead of text. */
  readonly json?: boolean | undefined;
}

/** Prints how a server is. Throws `ControlError` when it cannot be asked. */
export async function printStatus(
  target: string | undefined,
  options: LookOptions,
): Promise<void> {
  using client = await findServer(target);
  const status = await client.ask({ command: "status" });
  if (options.json) return printJson(status);
  print(statusLines(status).map((line) => visible(line) + "\n").join(""));
}

/** How a server is, for a person. */
function statusLines(status: Status): string[] {
  const { address, pid, version, model, why, uptime, state } = status;
  const { totals, waiting, zygotes, children, rewinding } = status;
  const { accepted, served, active, ended, refused } = totals;
  const because = why === null ? "" : ` (${why})`;
  return [
    `mpserv ${version} on ${address}  pid ${pid}  ${state}  up ${
      showAge(uptime)
    }  model ${model}${because}`,
    `connections  accepted ${accepted}  served ${served}  active ${active}  waiting ${waiting}`,
    `ended        ${showCounts(ended)}`,
    `refused      ${showCounts(refused)}`,
    `processes    ${showCounts({ zygotes, ...children })}`,
    ...rewindingLines(rewinding),
  ];
}

/** Prints a server's connections. Throws `ControlError` when it cannot be asked. */
export async function printConnections(
  target: string | undefined,
  options: LookOptions,
): Promise<void> {
  using client = await findServer(target);
  const { listener } = await client.ask({ command: "status" });
  const rows = await listConnections(client, listener);
  if (options.json) return printJson(rows);
  const lines = table(
    [
      { title: "ID", isNumber: true },
      { title: "PEER" },
      { title: "PID", isNumber: true },
      { title: "AGE", isNumber: true },
      { title: "IDLE", isNumber: true },
      { title: "IN", isNumber: true },
      { title: "OUT", isNumber: true },
    ],
    rows.map((row) => [
      String(row.id),
      row.peer,
      row.pid === 0 ? "-" : String(row.pid),
      showAge(row.age),
      showAge(row.idle),
      showBytes(row.in),
      showBytes(row.out),
    ]),
  );
  print(lines.join("\n") + "\n");
}

function printJson(answer: object): void {
  print(visible(JSON.stringify(answer)) + "\n");
}

/** How often a server that drains is looked at, in milliseconds. */
const PAUSE = 200;

/** Ends one connection. Throws `ControlError` when there is no such connection, or the server cannot be asked. */
export async function drop(
  id: number,
  target: string | undefined,
): Promise<void> {
  using client = await findServer(target);
  const { peer } = await client.ask({ command: "drop", id });
  print(visible(`dropping connection ${id} of ${peer}`) + "\n");
}

/**
 * Begins the drain of a server, as SIGTERM does. `options`: `wait`: until it has ended. Throws `ControlError` when it
 * cannot be asked.
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
