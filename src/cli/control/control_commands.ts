/**
 * The commands that ask a running server; what they do is loaded when they are run.
 *
 * @module
 */
import { command } from "../command.ts";
import { durationOr, flag, option, required } from "../options.ts";
import { parseCount } from "../values.ts";

/** Looking more often than that shows a person nothing more, in milliseconds. */
const LEAST_INTERVAL = 100;

const notes = `
Server: a port, the path of a control socket, or the path of a Unix domain socket that is served;
without it the one server that runs is asked.

Exit codes: 0 well, 1 the server or the system refused, 2 wrong usage.`;

/** Which server. */
const SERVER = {
  server: {
    ...option("server", "server to query", (text) => text),
    shown: "the only one running",
  },
};
const JSON_LINE = { json: flag("print one line of JSON") };

/** `mpserv status`. */
export const status = command({
  name: "status",
  about: "Say how a running server is: totals, refusals, processes.",
  operands: SERVER,
  options: JSON_LINE,
  notes,
  begin: ({ operands, options }) => async () =>
    (await import("./look.ts")).printStatus(operands.server, options),
});

/** `mpserv connections`. */
export const connections = command({
  name: "connections",
  about: "List the connections of a running server.",
  operands: SERVER,
  options: JSON_LINE,
  notes,
  begin: ({ operands, options }) => async () =>
    (await import("./look.ts")).printConnections(operands.server, options),
});

/** `mpserv drop`. */
export const drop = command({
  name: "drop",
  about: "End one connection of a running server.",
  operands: {
    id: required(
      option(
        "id",
        "the connection, as `connections` lists it",
        (text) => parseCount(text, "connection", 1),
      ),
    ),
    ...SERVER,
  },
  options: {},
  notes,
  begin: ({ operands: { id, server } }) => async () =>
    (await import("./act.ts")).drop(id, server),
});

/** `mpserv drain`. */
export const drain = command({
  name: "drain",
  about:
    "Let a running server end: it accepts no more and lets connections finish.",
  operands: SERVER,
  options: { wait: flag("wait until it has ended") },
  notes,
  begin: ({ operands, options }) => async () =>
    (await import("./act.ts")).drain(operands.server, options),
});

/** `mpserv top`. */
export const top = command({
  name: "top",
  about:
    "Show the processes and connections of a running server, live; q quits.",
  operands: SERVER,
  options: { interval: durationOr("time between two looks", 1000) },
  notes,
  begin: ({ operands, options }) => async () =>
    (await import("./top.ts")).top(
      operands.server,
      Math.max(options.interval, LEAST_INTERVAL),
    ),
});
