/**
 * `mpserv serve`, as it is typed.
 *
 * @module
 */
import { MODEL_NAMES } from "../../../wire/choices.ts";
import { command } from "../../command.ts";
import {
  choice,
  count,
  duration,
  durationOr,
  group,
  named,
  option,
  or,
  type Values,
} from "../../options.ts";
import { EXIT_USAGE, UserError } from "../../terminal.ts";
import { parseNice, parseSize, parseUmask } from "../../values.ts";
import { ADMISSION, checkAdmission } from "./admission_options.ts";
import { LISTEN, PORT } from "./listen_options.ts";
import { checkTakeOver, LOGS, OPERATION } from "./operation_options.ts";
import { checkService, type ProgramWords, SERVICE } from "./service_options.ts";

/** The table. */
export const PROCESS = group("Limits of processes", {
  user: named(
    "<name[:group]>",
    "become this user once the port is bound (root only)",
    "--user",
    "user",
  ),
  chdir: named("<dir>", "change to this directory", "--chdir", "directory"),
  umask: option(
    "<octal>",
    "permissions that new files do not get, such as 027",
    parseUmask,
  ),
  nice: option("<n>", "priority: -20 goes first, 19 last", parseNice),
  limitCpu: duration("processor time of each process, in whole seconds"),
  limitMemory: option(
    "<size>",
    "memory of each process (handlers: on top of the runtime's)",
    parseSize,
  ),
  limitFiles: count("open descriptors of each process", "limit of files", 1),
  limitProcesses: count(
    "processes and threads of the user, of all connections together",
    "limit of processes",
    1,
  ),
});

/** What was typed of it. */
export type ProcessOptions = Values<typeof PROCESS>;

/**
 * Whether any of it was typed.
 *
 * @returns Whether there is something to look up.
 */
export function asksForStanding(options: ProcessOptions): boolean {
  const { user, chdir, umask, nice } = options;
  const { limitCpu, limitMemory, limitFiles, limitProcesses } = options;
  return [user, chdir, umask, nice, limitCpu, limitMemory, limitFiles]
    .some((one) => one !== undefined) || limitProcesses !== undefined;
}

const CORES = navigator.hardwareConcurrency;

/** The table. */
export const MODEL = group("Process model", {
  model: or(
    choice("<name>", "where connection processes come from", MODEL_NAMES),
    "auto",
  ),
  spares: or(
    count("spawn: processes started ahead of connections", "spares"),
    2,
  ),
  zygotes: or(
    count("fork: processes that fork others", "zygotes", 1),
    CORES,
    "one per core",
  ),
  workers: or(
    count("pool: processes that take turns", "workers", 1),
    4 * CORES,
    "four per core",
  ),
  recycle: or(
    count(
      "pool: replace a process after this many connections; 0: never",
      "recycle",
    ),
    1000,
  ),
});

/** What was typed of it. */
export type ModelChoice = Values<typeof MODEL>;

/** The table. */
export const TIME = group("Limits of time", {
  idleTimeout: duration("end a connection after this long without a byte"),
  firstByteTimeout: duration(
    "end a connection if its client's first byte takes longer",
  ),
  maxLifetime: duration("end a connection after this long, busy or not"),
  drainTimeout: durationOr(
    "when told to end, let connections finish for this long",
    30_000,
  ),
});

/** What was typed of it, in milliseconds; undefined for no limit. */
export type TimeOptions = Values<typeof TIME>;

const OPTIONS = {
  ...LISTEN,
  ...MODEL,
  ...SERVICE,
  ...ADMISSION,
  ...TIME,
  ...PROCESS,
  ...OPERATION,
  ...LOGS,
};

/** What was typed, checked, with durations in milliseconds. */
export interface ServeOptions
  extends Values<typeof OPTIONS>, Values<typeof PORT> {
  /** The command line of the program that serves; undefined without one. */
  readonly program: ProgramWords | undefined;
  /** The port, if it was typed. */
  readonly typedPort: number | undefined;
  /** The host, if it was typed. */
  readonly typedHost: string | undefined;
}

const NOTES = `
Examples:
  mpserv serve                         echo on 127.0.0.1:9190
  mpserv 9190                          the same: a number alone means serve
  mpserv serve 8000 --host ::          on every address, IPv6 and IPv4
  mpserv serve 0                       on a free port; the first log line says which
  mpserv serve --unix /tmp/echo.sock   on a Unix domain socket
  mpserv serve 13 --service daytime    one of the classic small services
  mpserv serve --handler ./shout.ts    a TypeScript module serves each connection
  mpserv serve 8000 -- /usr/bin/env    any program, as inetd runs it
  mpserv serve --model pool            processes that take turns, the fastest
  mpserv serve --idle-timeout 5m --log-format json
  mpserv serve --take-over             restart without a dropped connection

Values: durations (d) read 500ms, 30s, 5m, 2h; sizes 4096, 64KiB, 1MB; rates 100/1s, 100/1s:500; networks (cidrs) have commas between them.
Signals: SIGINT, SIGTERM: accept no more, let connections finish (--drain-timeout); twice: end at once.
Exit codes: 0 well, 1 the system refused, 2 wrong usage.`;

/** The command. */
export const serve = command({
  name: "serve",
  about: "Serve: every connection in a process of its own.",
  operands: PORT,
  options: OPTIONS,
  takesProgram: true,
  notes: NOTES,
  begin({ options, operands: { port }, typed, program: words }) {
    const { unix, host, proxyProtocol } = options;
    exclude(unix, typed.has("port"), "a port and --unix");
    exclude(unix, typed.has("host"), "--host and --unix");
    exclude(unix, options.noDelay, "--no-delay and --unix");
    checkTakeOver({ ...options, port });
    const program = checkService(options, words, typed);
    checkAdmission(options, unix === undefined || proxyProtocol !== undefined);
    const typedPort = typed.has("port") ? port : undefined;
    const typedHost = typed.has("host") ? host : undefined;
    const all = { ...options, port, program, typedPort, typedHost };
    return async () => {
      (await import("../start_early.ts")).startEarly(all);
      return await (await import("../serve.ts")).serve(all);
    };
  },
});

function exclude(unix: string | undefined, typed: boolean, what: string): void {
  if (unix === undefined || !typed) return;
  throw new UserError(`Cannot use both ${what}: give one of them`, EXIT_USAGE);
}
