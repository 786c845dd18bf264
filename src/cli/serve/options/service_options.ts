/**
 * The options of `mpserv serve` for the service and its permissions.
 *
 * @module
 */
import {
  grantKind,
  PERMISSION_KINDS,
  type PermissionKind,
} from "../../../runtime/permissions.ts";
import {
  SANDBOX_LEVELS,
  SERVICE_NAMES,
  STDERR_CHOICES,
} from "../../../wire/choices.ts";
import {
  choice,
  everyday,
  flag,
  group,
  named,
  option,
  or,
  type Values,
} from "../../options.ts";
import { EXIT, UserError } from "../../terminal.ts";

export const SERVICE = group("What serves", {
  service: everyday(or(
    choice("<name>", "built-in service", SERVICE_NAMES),
    "echo",
  )),
  handler: everyday(option(
    "<file>",
    "module whose default export serves each connection",
    (text) => text, // an empty one gives the same error as any missing file
    "file",
  )),
  watch: flag("reload the handler for new connections when its code changes"),
  config: {
    ...named("<file>", "the handler's deno.json, or none", "--config", "file"),
    shown: "the nearest one",
  },
  unstable: {
    ...option(
      "<name>",
      "unstable Deno API for the handler, such as kv; also --unstable-kv",
      readUnstable,
    ),
    isFamily: true,
  },
  grant: everyday(option(
    "<list>",
    "permissions to give, such as net,read=/srv,env=LANG",
    readGrants,
  )),
  sandbox: {
    ...choice("<level>", "which system calls to refuse", SANDBOX_LEVELS),
    shown: "depends on what serves",
  },
  stderr: or(
    choice("<where>", "where a program's standard error goes", STDERR_CHOICES),
    "server",
  ),
});

type ServiceOptions = Values<typeof SERVICE>;

/** A program's command line. */
export type ProgramWords = readonly [string, ...string[]];

/** One more name; the option can be given again. */
function readUnstable(text: string, before: string[] | undefined): string[] {
  if (/^[a-z]+(-[a-z0-9]+)*$/.test(text)) return [...before ?? [], text];
  throw new RangeError(
    `Cannot use the unstable API "${text}": give a name, such as kv`,
  );
}

/** `net=a:1,read=/srv` as a list; a value may hold commas only by being given twice. */
function readGrants(text: string, before: string[] | undefined): string[] {
  const list = text.split(",").map((grant) => grant.trim());
  for (const grant of list) {
    if (grant.startsWith("ffi=")) {
      throw new RangeError(
        `Cannot grant "${grant}": code that may call one library can do anything: give ffi alone`,
      );
    }
    if (grantKind(grant) !== undefined && !grant.endsWith("=")) continue;
    throw new RangeError(
      `Cannot grant "${grant}": expected one of ${
        PERMISSION_KINDS.join(", ")
      }, alone or as kind=value`,
    );
  }
  return [...before ?? [], ...list];
}

/** Permissions that are of use without a file, a socket or a process. */
const WITHIN_STRICT: readonly PermissionKind[] = ["env", "ffi"];

/**
 * Checks what serves. `words`: what came after `--`; undefined without it. Returns the program's command line;
 * undefined when no program serves. Throws `UserError` when they do not go together.
 */
export function checkService(
  options: ServiceOptions & { readonly model: string },
  words: readonly string[] | undefined,
  typed: { has(name: "service" | "handler" | "stderr"): boolean },
): ProgramWords | undefined {
  if (options.handler !== undefined && typed.has("service")) {
    refuse("Cannot use both --service and --handler: give one of them");
  }
  if (options.watch && options.handler === undefined) {
    refuse(
      "Cannot use --watch without --handler: only a handler has code to watch",
    );
  }
  for (const name of ["config", "unstable"] as const) {
    if (options.handler !== undefined || options[name] === undefined) continue;
    refuse(
      `Cannot use --${name} without --handler: only a handler has a Deno project`,
    );
  }
  const program = checkProgram(options, words, typed);
  checkGrants(options, program);
  checkSandbox(options, program);
  return program;
}

function checkProgram(
  { model }: { readonly model: string },
  words: readonly string[] | undefined,
  typed: { has(name: "service" | "handler" | "stderr"): boolean },
): ProgramWords | undefined {
  if (words === undefined) {
    if (!typed.has("stderr")) return undefined;
    refuse("Cannot use --stderr without a program: give one after --");
  }
  const [name, ...args] = words;
  if (!name) refuse("Cannot use -- alone: give a program after it");
  for (const option of ["service", "handler"] as const) {
    if (!typed.has(option)) continue;
    refuse(`Cannot use both --${option} and a program: give one of them`);
  }
  if (model === "pool") {
    refuse(
      "Cannot use --model pool with a program: a program serves one connection only: use fork or spawn",
    );
  }
  return [name, ...args];
}

/** Grants are of use to handlers, and variables to programs as well. */
function checkGrants(
  { grant, handler }: ServiceOptions,
  program: ProgramWords | undefined,
): void {
  if (grant === undefined || handler !== undefined) return;
  if (program === undefined) {
    refuse(
      "Cannot use --grant without --handler or a program: built-in services need no permissions",
    );
  }
  const other = grant.find((one) => grantKind(one) !== "env");
  if (other === undefined) return;
  refuse(
    `Cannot grant "${other}" to a program: it has the rights of its user: give env or env=NAME`,
  );
}

function checkSandbox(
  { sandbox, grant }: ServiceOptions,
  program: ProgramWords | undefined,
): void {
  if (sandbox !== "strict") return;
  const refuseWith = (what: string, why: string) =>
    refuse(
      `Cannot use --sandbox strict with ${what}: ${why}: use --sandbox default`,
    );
  if (program) refuseWith("a program", "strict does not let it start");
  const other = grant?.find((one) => {
    const kind = grantKind(one);
    return kind === undefined || !WITHIN_STRICT.includes(kind);
  });
  if (other === undefined) return;
  refuseWith(
    `--grant ${other}`,
    "strict allows no files, sockets or processes",
  );
}

function refuse(message: string): never {
  throw new UserError(message, EXIT.usage);
}
