/**
 * The actions of `mpserv status`, `connections`, `drop` and `drain`.
 *
 * @module
 */
import { ControlError, listConnections } from "../../control/ask.ts";
import type { Status } from "../../control/protocol.ts";
import { pollLater } from "../../posix/io.ts";
import { abi } from "../../posix/abi.ts";
import { EXIT, print, UserError, visible } from "../terminal.ts";
import { findServer } from "./find_server.ts";
import {
  rewindingLines,
  showAge,
  showBytes,
  showCounts,
  table,
} from "./show.ts";

interface LookOptions {
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

/* `mpserv events`: the events of a running server, line by line. */

const STDOUT = 1;

/** Prints events until the server ends or the reader is gone. Throws `ControlError` when it cannot be asked. */
export async function follow(
  target: string | undefined,
  { json }: LookOptions,
): Promise<void> {
  using client = await findServer(target);
  const unread = nobodyReads();
  let started = 0;
  const batches = client.follow(({ at, time }) => started = time - at / 1e3);
  for (;;) {
    const next = await Promise.race([batches.next(), unread]);
    if (next === "unread") throw new UserError("", EXIT.pipe);
    if (next.done) return;
    const lines = next.value;
    const shown = json ? lines : lines.map((line) => eventLine(line, started));
    print(shown.map((line) => visible(line) + "\n").join(""));
  }
}

/** Resolves when the reader of the output is gone, even if nothing is printed. */
async function nobodyReads(): Promise<"unread"> {
  while (
    !(await pollLater(STDOUT, 0, -1) &
      (abi.POLLERR | abi.POLLHUP | abi.POLLNVAL))
  );
  return "unread";
}

/** The columns that all events have. */
const WIDTH = { event: 11, id: 5 };

/**
 * An event for a person: the time of day, what happened, the connection, and the rest by name. `started`: when the
 * events' clock began, in milliseconds since 1970.
 */
function eventLine(line: string, started: number): string {
  const { event, at, id, heard: _, ...more } = JSON.parse(line);
  const rest = Object.entries(more)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}=${showValue(value)}`);
  return [
    timeOfDay(started, at),
    String(event).padEnd(WIDTH.event),
    String(id ?? "-").padStart(WIDTH.id),
    ...rest,
  ].join("  ").trimEnd();
}

/** Such as `14:03:05.123456`, in the local time zone. */
function timeOfDay(started: number, microseconds: number): string {
  const time = 1e3 * started + microseconds;
  const date = new Date(Math.floor(time / 1e3));
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return `${clock}.${String(Math.floor(time % 1e6)).padStart(6, "0")}`;
}

function showValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}
