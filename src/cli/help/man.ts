/**
 * Manual pages in the roff of man(7), made of what can be typed.
 *
 * @module
 */
import manifest from "../../../deno.json" with { type: "json" };
import type { Grammar } from "../grammar.ts";

/** What a page says that no definition does. */
interface Extras {
  readonly summary: string;
  readonly environment: readonly (readonly [name: string, what: string])[];
  readonly seeAlso: string;
}

const EXTRAS: Readonly<Record<string, Extras>> = {
  mpserv: {
    summary: "a TCP server that gives every connection a process of its own",
    environment: [
      ["NO_COLOR", "Given to the processes that serve."],
      [
        "TZ, LANG, PATH, HOME, TMPDIR, XDG_CACHE_HOME",
        "The same. Nothing else of the environment reaches a handler but what --grant env=NAME names; a program after -- also gets USER, LOGNAME, SHELL, TERM, LANGUAGE and LC_*.",
      ],
      [
        "XDG_RUNTIME_DIR",
        "Control sockets are in mpserv/ in it, as PORT.sock; without it in /run/user/UID/mpserv or /tmp/mpserv-UID.",
      ],
      [
        "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
        "Listening sockets that a service manager passed: sd_listen_fds(3).",
      ],
      [
        "NOTIFY_SOCKET, WATCHDOG_PID, WATCHDOG_USEC",
        "What a service manager wants to be told: sd_notify(3), sd_watchdog_enabled(3).",
      ],
      [
        "DENO_DIR",
        "Where the runtime keeps what it compiled, when it runs from source.",
      ],
      [
        "OTEL_DENO, OTEL_*",
        "true has the runtime export metrics (OpenTelemetry), when it runs from source.",
      ],
    ],
    seeAlso: "mpclient(1), socket(7), tcp(7), unix(7)",
  },
  mpclient: {
    summary: "a client whose sending and receiving are two processes",
    environment: [],
    seeAlso: "mpserv(1), nc(1), socket(7)",
  },
};

const EXIT_STATUS: readonly (readonly [code: string, what: string])[] = [
  ["0", "It ended well."],
  ["1", "The system, or the other side, refused."],
  ["2", "The command line was wrong."],
];

/** When these pages were last changed, in words of their own. */
const DATE = "2026-11-23";

/** Makes the manual page of a program. */
export function makeManual(program: Grammar): string {
  const { name, commands } = program;
  const extras = EXTRAS[name]!;
  return [
    `.TH ${name.toUpperCase()} 1 ${DATE} "mpserv ${manifest.version}" "User Commands"`,
    ".nh", // no hyphens in options and addresses
    ".ad l",
    section("NAME", [`${text(name)} \\- ${text(extras.summary)}`]),
    section("SYNOPSIS", synopsis(program)),
    section("DESCRIPTION", prose(program.about)),
    ...(commands.length === 0
      ? describe(program, (title, body) => section(title.toUpperCase(), body))
      : [
        section("OPTIONS", flagItems(program)),
        section(
          "COMMANDS",
          commands.flatMap((command) => commandBody(name, command)),
        ),
      ]),
    section("EXIT STATUS", EXIT_STATUS.flatMap(item)),
    section("ENVIRONMENT", extras.environment.flatMap(item)),
    section("SEE ALSO", prose(extras.seeAlso)),
  ].filter((part) => part !== "").join("\n") + "\n";
}

function synopsis({ name, usage, commands }: Grammar): string[] {
  const lines = commands.length === 0
    ? [[name, usage]]
    : commands.map((one) => [`${name} ${one.name}`, one.usage]);
  return lines.flatMap(([words, rest], at) => [
    ...(at > 0 ? [".br"] : []),
    `\\fB${text(words!)}\\fR ${text(rest!)}`,
  ]);
}

/** A command within a page: its heading, then its parts, one below the other. */
function commandBody(program: string, command: Grammar): string[] {
  const words = `${program} ${command.name}`;
  return [
    `.SS ${text(`${words} ${command.usage}`)}`,
    ...prose(command.about),
    ...describe(
      command,
      (title, body) =>
        body.length === 0 ? "" : [".PP", `${text(title)}:`, ...body].join("\n"),
    ),
  ].filter((line) => line !== "");
}

/** Operands, options and notes, each as a part with a title. */
function describe(
  command: Grammar,
  part: (title: string, body: string[]) => string,
): string[] {
  const operands = command.operands.flatMap(({ name, details }) =>
    item([name, details])
  );
  return [
    part("Arguments", operands),
    ...[...Map.groupBy(command.flags, ({ group }) => group)].map((
      [title, flags],
    ) => part(title, flagItems({ flags }))),
    ...command.notes.split("\n\n").flatMap((block) => notes(block, part)),
  ].filter((text) => text !== "");
}

/** `Examples:` and the lines below it as they stand; `Signals: …` in one line as prose. */
function notes(
  block: string,
  part: (title: string, body: string[]) => string,
): string[] {
  const parts: { title: string; lines: string[] }[] = [];
  for (const line of block.split("\n").filter((line) => line.trim() !== "")) {
    const [, title, rest] = /^(\w[\w ]*): ?(.*)$/.exec(line) ?? [];
    if (title !== undefined) parts.push({ title, lines: rest ? [rest] : [] });
    else parts.at(-1)?.lines.push(line);
  }
  return parts.filter(({ title }) => title !== "Exit codes") // a section of its own
    .map(({ title, lines }) => {
      const verbatim = lines.every((line) => line.startsWith(" "));
      return part(
        title,
        verbatim ? [".nf", ...lines.map(text), ".fi"] : lines.flatMap(prose),
      );
    });
}

function flagItems({ flags }: Pick<Grammar, "flags">): string[] {
  return flags.flatMap(({ term, details }) => item([term, details]));
}

function item([term, what]: readonly [string, string]): string[] {
  return [".TP", `\\fB${text(term)}\\fR`, ...prose(what)];
}

function section(title: string, body: readonly string[]): string {
  return body.length === 0 ? "" : [`.SH ${text(title)}`, ...body].join("\n");
}

/** Text that is filled anyway, in lines that are short enough for a person to read in the source. */
function prose(plain: string): string[] {
  const lines: string[] = [];
  for (const word of text(plain).split(/\s+/).filter((word) => word !== "")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 78) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line) => line.replace(/^\./, "\\&."));
}

/** Text with nothing in it that roff would take for its own; hyphens are those that can be typed. */
function text(plain: string): string {
  return plain.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq").replaceAll('"', "\\(dq")
    .replaceAll(/^\./gm, "\\&.");
}
