/**
 * The commands that query a running server; their actions are loaded when they run.
 *
 * @module
 */
import {
  durationOr,
  flag,
  option,
  or,
  parseCount,
  parsePort,
  required,
} from "../options.ts";
import { command } from "../command.ts";

/** Looking more often than that shows a person nothing more, in milliseconds. */
const LEAST_INTERVAL = 100;

const SERVER = {
  server: {
    ...option("server", "server to query", (text) => text),
    shown: "the only one running",
  },
};
const JSON_LINE = { json: flag("print one line of JSON") };

export const status = command({
  name: "status",
  about: "Show the totals, refusals and processes of a running server.",
  operands: SERVER,
  options: JSON_LINE,
  begin: ({ operands, options }) => async () =>
    (await import("./control_actions.ts")).printStatus(
      operands.server,
      options,
    ),
});

export const connections = command({
  name: "connections",
  about: "List the connections of a running server.",
  operands: SERVER,
  options: JSON_LINE,
  begin: ({ operands, options }) => async () =>
    (await import("./control_actions.ts")).printConnections(
      operands.server,
      options,
    ),
});

export const drop = command({
  name: "drop",
  about: "Close one connection of a running server.",
  operands: {
    id: required(
      option(
        "id",
        "number of the connection, from `mpserv connections`",
        (text) => parseCount(text, "connection", 1),
      ),
    ),
    ...SERVER,
  },
  options: {},
  begin: ({ operands: { id, server } }) => async () =>
    (await import("./control_actions.ts")).drop(id, server),
});

export const drain = command({
  name: "drain",
  about: "Tell a running server to let its connections finish and exit.",
  operands: SERVER,
  options: { wait: flag("wait until the server has exited") },
  begin: ({ operands, options }) => async () =>
    (await import("./control_actions.ts")).drain(operands.server, options),
});

export const top = command({
  name: "top",
  about: "Show the processes and connections of a running server live.",
  operands: SERVER,
  options: { interval: durationOr("time between two updates", 1000) },
  begin: ({ operands, options }) => async () =>
    (await import("./top.ts")).top(
      operands.server,
      Math.max(options.interval, LEAST_INTERVAL),
    ),
});

export const events = command({
  name: "events",
  about: "Print the events of a running server as they happen.",
  operands: SERVER,
  options: { json: flag("print a line of JSON for each event") },
  begin: ({ operands, options }) => async () =>
    (await import("./control_actions.ts")).follow(operands.server, options),
});

export const page = command({
  name: "page",
  about: "Show a running server live in a browser.",
  operands: SERVER,
  options: {
    port: or(
      option(
        "<port>",
        "TCP port of the page; 0: a free one",
        (text) => parsePort(text),
      ),
      0,
    ),
    open: flag("open the page in a browser"),
  },
  begin: ({ operands, options }) => async () =>
    (await import("./open_page.ts")).openPage(operands.server, options),
});
