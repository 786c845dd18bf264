/**
 * The parts of help and manual besides the options: examples, values, signals, variables and
 * exit codes. `serve` and `client` do not load this module.
 *
 * @module
 */

/** Terms with their descriptions. */
export type Rows = readonly (readonly [term: string, what: string])[];

/** The parts of a command's page below its options, in their order. */
export interface Page {
  /** Command lines that can be typed as they stand. */
  readonly examples?: Rows;
  /** The meaning of the placeholders in its options. */
  readonly values?: Rows;
  /** The reaction of its process to signals. */
  readonly signals?: Rows;
  /** Environment variables that it reads. */
  readonly variables?: Rows;
  /** The meaning of its exit codes. */
  readonly exitCodes?: Rows;
}

/** The headings of the parts. */
export const HEADINGS = {
  examples: "Examples",
  values: "Values",
  signals: "Signals",
  variables: "Environment",
  exitCodes: "Exit codes",
} as const satisfies Record<keyof Page, string>;

const TIME = "500ms, 30s, 5m, 2h";

const RUNTIME_DIRECTORY = [
  "XDG_RUNTIME_DIR",
  "control sockets are in its directory mpserv (default: /run/user/UID)",
] as const;

/** The page of every command that asks a running server. */
const CONTROL: Page = {
  values: [[
    "server",
    "a port, the path of a control socket, or the path given to --unix",
  ]],
  variables: [RUNTIME_DIRECTORY],
  exitCodes: [
    ["0", "success"],
    ["1", "no such server or connection, or the server refused"],
    ["2", "wrong command line"],
  ],
};

/** The pages, by the names of the commands. */
const PAGES: Readonly<Record<string, Page>> = {
  serve: {
    examples: [
      ["mpserv serve", "echo on 127.0.0.1:9190; the same as `mpserv 9190`"],
      ["mpserv serve 8000 -- /usr/bin/env", "a program serves each connection"],
      [
        "mpserv serve --handler ./upper.ts --watch",
        "a TypeScript module serves each connection",
      ],
      [
        "mpserv serve 8000 --host :: --idle-timeout 5m",
        "on every address; end idle connections",
      ],
      ["mpserv serve --take-over", "restart without a dropped connection"],
    ],
    values: [
      ["time", TIME],
      ["size", "4096, 64KiB, 1MB"],
      ["rate", "100/1s; 100/1s:500 allows a burst of 500"],
      ["networks", "10.0.0.0/8,2001:db8::/32; --proxy-protocol: also unix"],
      ["list", "env, ffi, import, net, read, run, sys, write, or KIND=VALUE"],
    ],
    signals: [
      [
        "SIGINT, SIGTERM",
        "drain: accept no more and let connections finish; twice: exit at once",
      ],
      ["SIGHUP", "drain, unless it was ignored at the start, as by nohup"],
      ["SIGPIPE", "ignored"],
    ],
    variables: [
      RUNTIME_DIRECTORY,
      [
        "PATH, HOME, TMPDIR, TZ, LANG",
        "passed to handlers and programs",
      ],
      ["DENO_DIR, XDG_CACHE_HOME, NO_COLOR", "passed to handlers"],
      ["USER, LOGNAME, SHELL, TERM, LANGUAGE, LC_*", "passed to programs"],
      ["all others", "passed on only with --grant env=NAME"],
      ["OTEL_DENO, OTEL_*", "export OpenTelemetry metrics (only from source)"],
      [
        "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
        "sockets that systemd passes: sd_listen_fds(3)",
      ],
      [
        "NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC",
        "state that systemd asks for: sd_notify(3), sd_watchdog_enabled(3)",
      ],
    ],
    exitCodes: [
      ["0", "the server was told to end"],
      ["1", "the system refused, such as a port in use"],
      ["2", "wrong command line"],
    ],
  },
  client: {
    examples: [
      ["mpserv client", "talk to 127.0.0.1:9190; a line q ends it"],
      ["mpserv client example.org 7 --no-prefix", "port 7 of example.org"],
      ["mpserv client --unix /tmp/echo.sock", "over a Unix domain socket"],
      ["mpserv client --raw <in.bin >out.bin", "copy bytes both ways, exactly"],
      ["mpserv client --lock-step <lines.txt", "wait for each reply"],
    ],
    values: [["time", TIME]],
    exitCodes: [
      ["0", "the conversation ended"],
      ["1", "cannot connect, connection lost, or the server closed too early"],
      ["2", "wrong command line"],
      [
        "141",
        "the reader of the output is gone, as in mpserv client | head -1",
      ],
    ],
  },
  bench: {
    examples: [
      ["mpserv bench --connect", "connections a second of 127.0.0.1:9190"],
      ["mpserv bench example.org 7 --ping --size 1KiB", "round trips of 1 KiB"],
      ["mpserv bench --ping --rate 5000 --connections 64", "at a given rate"],
      ["mpserv bench --hold 1000", "memory per connection of a local server"],
      ["mpserv bench --compare --delay 20ms", "split and lock-step client"],
    ],
    values: [["time", TIME], ["size", "4096, 64KiB, 1MB"]],
    exitCodes: [
      ["0", "every connection succeeded"],
      ["1", "a connection failed, or the system refused"],
      ["2", "wrong command line"],
    ],
  },
  status: CONTROL,
  connections: CONTROL,
  drop: CONTROL,
  drain: CONTROL,
  top: {
    ...CONTROL,
    values: [
      ...CONTROL.values ?? [],
      ["time", TIME],
      ["keys", "q quits; arrows and page keys scroll"],
    ],
  },
  events: {
    ...CONTROL,
    exitCodes: [
      ["0", "the server ended"],
      ["1", "no such server, or the server refused"],
      ["2", "wrong command line"],
      ["141", "the reader of the output is gone"],
    ],
  },
  page: {
    ...CONTROL,
    exitCodes: [
      ["0", "the page was told to end"],
      ["1", "no such server, or the port is in use"],
      ["2", "wrong command line"],
    ],
  },
  completions: {
    examples: [
      ["source <(mpserv completions bash)", "in ~/.bashrc"],
      ["source <(mpserv completions zsh)", "in ~/.zshrc, after compinit"],
      ["mpserv completions fish | source", "in ~/.config/fish/config.fish"],
      [
        "mpserv completions zsh >~/.zfunc/_mpserv",
        "zsh: save it in a folder of $fpath",
      ],
    ],
  },
  man: {
    examples: [
      ["mpserv man | man -l -", "read the page"],
      ["mpserv man mpclient >~/.local/share/man/man1/mpclient.1", "install it"],
    ],
  },
};

/** The page of a command; `mpclient` has that of `client` under its own name. */
export function pageOf(command: string): Page {
  if (command !== "mpclient") return PAGES[command] ?? {};
  const { examples = [], exitCodes = [], ...client } = PAGES.client ?? {};
  const own = (rows: Rows): Rows =>
    rows.map(([term, what]) => [
      term.replace("mpserv client", command),
      what.replace("mpserv client", command),
    ]);
  return { examples: own(examples), ...client, exitCodes: own(exitCodes) };
}
