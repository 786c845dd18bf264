/**
 * `mpserv serve`, as it is typed, with the options for who operates it: its control socket, its successor and its log.
 *
 * @module
 */
import type { ChildOptions } from "../../../wire/child_options.ts";
import { MODEL_NAMES, REWIND_CHOICES } from "../../../wire/choices.ts";
import {
  choice,
  count,
  duration,
  durationOr,
  everyday,
  flag,
  group,
  named,
  option,
  or,
  parseSize,
  type Spec,
  type Values,
} from "../../options.ts";
import { EXIT, UserError } from "../../terminal.ts";
import { command } from "../../command.ts";
import { load } from "../../programs.ts";
import { ADMISSION, checkAdmission, LISTEN, PORT } from "./listen_options.ts";
import { checkService, type ProgramWords, SERVICE } from "./service_options.ts";

/** The levels that can be asked for. */
const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
/** How a line can look. */
const LOG_FORMATS = ["text", "json"] as const;

const OPERATION = group("Operation", {
  control: {
    ...named(
      "<path|none>",
      "path of the control socket",
      "--control",
      "file",
    ),
    shown: "PORT.sock in the runtime directory",
  },
  takeOver: everyday(
    flag("replace the server on this port, which then drains"),
  ),
});

const LOGS = group("Logs", {
  logLevel: or(
    choice("<level>", "lowest level to log", LOG_LEVELS),
    "info",
  ),
  logFormat: everyday(
    or(choice("<format>", "format of log lines", LOG_FORMATS), "text"),
  ),
});

type OperationOptions = Values<typeof OPERATION>;

/** Checks `--take-over` against the other options. Throws `UserError` when they contradict each other. */
function checkTakeOver(
  { takeOver, control, unix, port }: OperationOptions & {
    readonly port: number;
    readonly unix: string | undefined;
  },
): void {
  if (!takeOver) return;
  if (control === "none") {
    throw new UserError(
      "Cannot use both --take-over and --control none: --take-over needs the control socket",
      EXIT.usage,
    );
  }
  if (port === 0 && unix === undefined) {
    throw new UserError(
      "Cannot use --take-over with port 0: give the running server's port",
      EXIT.usage,
    );
  }
}

const PROCESS = group("Limits of processes", {
  user: everyday(named(
    "<name[:group]>",
    "become this user after binding the port (root only)",
    "--user",
    "user",
  )),
  chdir: named(
    "<dir>",
    "working directory of connection processes",
    "--chdir",
    "directory",
  ),
  umask: option(
    "<octal>",
    "permission bits that new files do not get, such as 027",
    parseUmask,
  ),
  nice: option(
    "<n>",
    "priority of connection processes, from -20 (first) to 19 (last)",
    parseNice,
  ),
  limitCpu: duration("processor time per process, in whole seconds"),
  limitMemory: option(
    "<size>",
    "memory per process (handlers: on top of the runtime's)",
    parseSize,
  ),
  limitFiles: count("open descriptors per process", "limit of files", 1),
  limitProcesses: count(
    "processes and threads that the user may have in total",
    "limit of processes",
    1,
  ),
});

export type ProcessOptions = Values<typeof PROCESS>;

const CORES = navigator.hardwareConcurrency;

const MODEL = group("Process model", {
  model: everyday(or(
    choice("<name>", "where processes come from", MODEL_NAMES),
    "auto",
  )),
  spares: or(
    count("spawn: processes to start ahead of connections", "spares"),
    2,
  ),
  zygotes: or(
    count("fork: number of zygotes, the processes that fork", "zygotes", 1),
    CORES,
    "one per core",
  ),
  workers: or(
    count(
      "pool: processes that serve one connection after another",
      "workers",
      1,
    ),
    4 * CORES,
    "four per core",
  ),
  rewind: or(
    choice(
      "<when>",
      "pool: rewind a process's memory after each connection",
      REWIND_CHOICES,
    ),
    "auto",
  ),
  recycle: usually(
    count(
      "pool: replace a process after n connections; 0: never",
      "recycle",
    ),
    "1000; 0 if it rewinds",
  ),
});

/** Whether a pool's processes are to be ready to rewind their memory. */
export function rewindsOf(
  { model, rewind }: Values<typeof MODEL>,
): ChildOptions["rewinds"] {
  if (model !== "pool" || rewind === "off") return undefined;
  return Deno.env.get("MPSERV_REWIND_CHECK") === "1" ? "checked" : "unchecked";
}

const TIME = group("Limits of time", {
  idleTimeout: everyday(
    duration("close a connection after this long without a byte"),
  ),
  firstByteTimeout: duration(
    "close a connection if its first byte takes longer",
  ),
  maxLifetime: duration("close a connection after this long, busy or not"),
  drainTimeout: durationOr(
    "time for connections to finish when the server ends",
    30_000,
  ),
});

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

/** The checked command line, with durations in milliseconds. */
export interface ServeOptions
  extends Values<typeof OPTIONS>, Values<typeof PORT> {
  /** The command line of the program that serves; undefined without one. */
  readonly program: ProgramWords | undefined;
  readonly typedPort: number | undefined;
  readonly typedHost: string | undefined;
}

export const serve = command({
  name: "serve",
  about: "Serve connections, each in a process of its own.",
  operands: PORT,
  options: OPTIONS,
  takesProgram: true,
  begin({ options, operands: { port }, typed, program: words }) {
    const { unix, host, proxyProtocol } = options;
    exclude(unix, typed.has("port"), "a port and --unix");
    exclude(unix, typed.has("host"), "--host and --unix");
    exclude(unix, options.noDelay, "--no-delay and --unix");
    if (options.rewind === "on" && options.model !== "pool") {
      throw new UserError(
        `Cannot use --rewind on with --model ${options.model}: give --model pool`,
        EXIT.usage,
      );
    }
    checkTakeOver({ ...options, port });
    const program = checkService(options, words, typed);
    checkAdmission(options, unix === undefined || proxyProtocol !== undefined);
    const typedPort = typed.has("port") ? port : undefined;
    const typedHost = typed.has("host") ? host : undefined;
    const all = { ...options, port, program, typedPort, typedHost };
    return async () => {
      const { serve } = await load<typeof import("../serve.ts")>(
        "./serve/serve.ts",
      );
      return await serve(all);
    };
  },
});

function exclude(unix: string | undefined, typed: boolean, what: string): void {
  if (unix === undefined || !typed) return;
  throw new UserError(`Cannot use both ${what}: give one of them`, EXIT.usage);
}

/** Permission bits in octal, as umask(1) takes them. Returns 0 to 0o777. Throws `RangeError` when it is none. */
function parseUmask(text: string): number {
  if (/^0?[0-7]{1,3}$/.test(text)) return parseInt(text, 8);
  throw new RangeError(
    `Cannot use umask "${text}": expected octal digits, such as 027`,
  );
}

/** A nice value, as renice(1) takes it. Returns -20 to 19. Throws `RangeError` when it is none. */
function parseNice(text: string): number {
  const value = /^-?\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (-20 <= value && value <= 19) return value;
  throw new RangeError(
    `Cannot use nice value "${text}": expected a whole number from -20 to 19`,
  );
}

/** The same where somebody else decides what holds if it is not typed. `shown`: what that is. */
function usually<T>(
  spec: Spec<T | undefined>,
  shown: string,
): Spec<T | undefined> {
  return { ...spec, shown };
}
