/**
 * `mpserv events`: the events of a running server, line by line.
 *
 * @module
 */
import { findServer } from "./find_server.ts";
import type { LookOptions } from "./control_actions.ts";
import { EXIT_PIPE, print, UserError, visible } from "../terminal.ts";
import { POLLERR, POLLHUP, POLLNVAL } from "../../posix/abi.ts";
import { pollLater } from "../../posix/io.ts";

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
    if (next === "unread") throw new UserError("", EXIT_PIPE);
    if (next.done) return;
    const lines = next.value;
    const shown = json ? lines : lines.map((line) => eventLine(line, started));
    print(shown.map((line) => visible(line) + "\n").join(""));
  }
}

/** Resolves when the reader of the output is gone, even if nothing is printed. */
async function nobodyReads(): Promise<"unread"> {
  while (!(await pollLater(STDOUT, 0, -1) & (POLLERR | POLLHUP | POLLNVAL)));
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
