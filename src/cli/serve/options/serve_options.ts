/**
 * `mpserv serve`, as it is typed.
 *
 * @module
 */
import { ADMISSION, checkAdmission } from "./admission_options.ts";
import { command } from "../../command.ts";
import { LISTEN, PORT } from "./listen_options.ts";
import { MODEL } from "./model_options.ts";
import { checkTakeOver, LOGS, OPERATION } from "./operation_options.ts";
import type { Values } from "../../options.ts";
import { PROCESS } from "./process_options.ts";
import { checkService, type ProgramWords, SERVICE } from "./service_options.ts";
import { EXIT_USAGE, UserError } from "../../terminal.ts";
import { TIME } from "./time_options.ts";

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
      (await import("../early_zygote.ts")).startEarly(all);
      return await (await import("../serve.ts")).serve(all);
    };
  },
});

function exclude(unix: string | undefined, typed: boolean, what: string): void {
  if (unix === undefined || !typed) return;
  throw new UserError(`Cannot use both ${what}: give one of them`, EXIT_USAGE);
}
