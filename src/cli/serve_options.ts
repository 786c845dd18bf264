/**
 * The options of `mpserv serve`.
 *
 * @module
 */
import { Argument, Command, Option } from "@commander-js/extra-typings";
import {
  type AdmissionOptions,
  allowOption,
  busyMessageOption,
  denyOption,
  exemptOption,
  maxConnectionsOption,
  maxPerSourceOption,
  overloadOption,
  rateOption,
  ratePerSourceOption,
  sourcePrefixOption,
} from "./admission_options.ts";
import { count, named, valueOf } from "./arguments.ts";
import {
  checkTakeOver,
  controlOption,
  type ControlOptions,
  takeOverOption,
} from "./control_options.ts";
import { MODEL_NAMES, type ModelName } from "../model/names.ts";
import { SERVICE_NAMES, type ServiceName } from "../service/load.ts";
import { checkGrants, grantOption } from "./grant_option.ts";
import { fdNameOption, type ListenOptions } from "./listen_options.ts";
import {
  LOG_FORMATS,
  LOG_LEVELS,
  type LogChoice,
  type LogFormat,
} from "./log_options.ts";
import {
  chdirOption,
  checkProgram,
  limitCpuOption,
  limitFilesOption,
  limitMemoryOption,
  limitProcessesOption,
  niceOption,
  type ProcessOptions,
  stderrOption,
  umaskOption,
  userOption,
} from "./process_options.ts";
import {
  type ProxyOptions,
  proxyProtocolOption,
  proxyTimeoutOption,
} from "./proxy_options.ts";
import type { SandboxOptions } from "./sandbox.ts";
import { checkSandbox, sandboxOption } from "./sandbox_option.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";
import {
  drainTimeoutOption,
  firstByteTimeoutOption,
  idleTimeoutOption,
  maxLifetimeOption,
  type TimeOptions,
} from "./time_options.ts";
import { DEFAULT_HOST, DEFAULT_PORT, parseHost, parsePort } from "./values.ts";

const CORES = navigator.hardwareConcurrency;

/** What was typed, checked, with durations in milliseconds. */
export interface ServeOptions
  extends
    ProcessOptions,
    ListenOptions,
    ProxyOptions,
    TimeOptions,
    ControlOptions,
    AdmissionOptions,
    SandboxOptions {
  /** TCP port; 0 for a free one. */
  port: number;
  /** Address or name to bind. */
  host: string;
  /** Path of a Unix domain socket instead. */
  unix?: string | undefined;
  /** Connections that may wait to be accepted. */
  backlog: number;
  /** Whether small answers may wait for the client's acknowledgement; false with `--no-delay`. */
  delay: boolean;
  /** The process model. */
  model: ModelName;
  /** `spawn`: processes started ahead. */
  spares: number;
  /** `fork`: processes that fork others. */
  zygotes: number;
  /** `pool`: processes that take turns. */
  workers: number;
  /** `pool`: connections after which a process is replaced; 0 for never. */
  recycle: number;
  /** The built-in service. */
  service: ServiceName;
  /** A module whose default export serves instead. */
  handler?: string | undefined;
  /** Whether to load the handler again when its code changes. */
  watch?: boolean | undefined;
  /** Permissions that handlers keep. */
  grant?: string[] | undefined;
  /** The lowest level that is logged. */
  logLevel: LogChoice;
  /** How log lines look. */
  logFormat: LogFormat;
}

const EXAMPLES = `
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

Values: durations (d) read 500ms, 30s, 5m, 2h; sizes 4096, 64KiB, 1MB; networks (cidrs) have commas between them.
Signals: SIGINT, SIGTERM: accept no more, let connections finish (--drain-timeout); twice: end at once.
Exit codes: 0 well, 1 the system refused, 2 wrong usage.`;

/**
 * The command, to be added to a program.
 *
 * @param words A program's command line, which came after `--`; undefined without it.
 * @param serve Runs it; is loaded only when it is called.
 * @returns The command.
 */
export function serveCommand(
  words: readonly string[] | undefined,
  serve: (options: ServeOptions) => Promise<void>,
): Command<unknown[]> {
  const command = new Command("serve")
    .description("Serve: every connection in a process of its own.")
    .usage("[port] [options] [-- program args...]")
    .addArgument(
      new Argument(
        "[port]",
        "TCP port, or the name of a service; 0 takes a free one",
      )
        .argParser(valueOf(parsePort)).default(DEFAULT_PORT),
    )
    .option(
      "--host <addr>",
      "address or name to bind",
      valueOf(parseHost),
      DEFAULT_HOST,
    )
    .option(
      "--unix <path>",
      "listen on a Unix domain socket instead",
      named("--unix"),
    )
    .option(
      "--backlog <n>",
      "connections that may wait to be accepted",
      count("backlog", 1),
      4096,
    )
    .option("--no-delay", "send small answers at once (TCP_NODELAY)")
    .addOption(
      new Option("--model <name>", "where processes come from")
        .choices(MODEL_NAMES).default("auto" as const),
    )
    .option(
      "--spares <n>",
      "spawn: processes started ahead of connections",
      count("spares"),
      2,
    )
    .addOption(
      new Option("--zygotes <n>", "fork: processes that fork others")
        .argParser(count("zygotes", 1)).default(CORES, "one a core"),
    )
    .addOption(
      new Option("--workers <n>", "pool: processes that take turns")
        .argParser(count("workers", 1)).default(4 * CORES, "four a core"),
    )
    .option(
      "--recycle <n>",
      "pool: replace a process after so many connections; 0 for never",
      count("recycle"),
      1000,
    )
    .addOption(
      new Option("--service <name>", "what a process does with its connection")
        .choices(SERVICE_NAMES).default("echo" as const),
    )
    .option(
      "--handler <file>",
      "serve with the default export of a module instead",
    )
    .option(
      "--watch",
      "when the handler's code changes, serve new connections with the new code",
    )
    .addOption(grantOption())
    .addOption(fdNameOption())
    .addOption(proxyProtocolOption())
    .addOption(proxyTimeoutOption())
    .addOption(sandboxOption())
    .addOption(stderrOption())
    .addOption(userOption())
    .addOption(chdirOption())
    .addOption(umaskOption())
    .addOption(niceOption())
    .addOption(limitCpuOption())
    .addOption(limitMemoryOption())
    .addOption(limitFilesOption())
    .addOption(limitProcessesOption())
    .addOption(maxConnectionsOption())
    .addOption(maxPerSourceOption())
    .addOption(sourcePrefixOption())
    .addOption(rateOption())
    .addOption(ratePerSourceOption())
    .addOption(overloadOption())
    .addOption(busyMessageOption())
    .addOption(allowOption())
    .addOption(denyOption())
    .addOption(exemptOption())
    .addOption(idleTimeoutOption())
    .addOption(firstByteTimeoutOption())
    .addOption(maxLifetimeOption())
    .addOption(drainTimeoutOption())
    .addOption(controlOption())
    .addOption(takeOverOption())
    .addOption(
      new Option("--log-level <level>", "the lowest level to log")
        .choices(LOG_LEVELS).default("info" as const),
    )
    .addOption(
      new Option("--log-format <format>", "how log lines look")
        .choices(LOG_FORMATS).default("text" as const),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (port, options, self) => {
      const typed = (name: string) =>
        (self as unknown as Command).getOptionValueSource(name) === "cli";
      exclude(
        options.unix !== undefined,
        self.args.length > 0,
        "a port and --unix",
      );
      exclude(options.unix !== undefined, typed("host"), "--host and --unix");
      exclude(
        options.unix !== undefined,
        !options.delay,
        "--no-delay and --unix",
      );
      exclude(
        options.handler !== undefined,
        typed("service"),
        "--service and --handler",
      );
      if (options.watch && options.handler === undefined) {
        throw new UserError(
          "Cannot use --watch without --handler: nothing else has code to watch",
          EXIT_USAGE,
        );
      }
      checkTakeOver({ ...options, port });
      const program = checkProgram(words, options.model, typed);
      checkGrants(options.grant, options.handler ? "handler" : program);
      checkSandbox(options, { ...options, program });
      const typedPort = self.args.length > 0 ? port : undefined;
      const typedHost = typed("host") ? options.host : undefined;
      await serve({ ...options, port, program, typedPort, typedHost });
    });
  return command as unknown as Command<unknown[]>;
}

function exclude(one: boolean, other: boolean, what: string): void {
  if (one && other) {
    throw new UserError(
      `Cannot use both ${what}: give one of them`,
      EXIT_USAGE,
    );
  }
}
