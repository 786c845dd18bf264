/**
 * How this program starts itself in another role: from source as `deno run … FILE …`, and compiled as
 * the executable itself, whose `main.ts` picks the role.
 *
 * @module
 */
import { RUNTIME_VARIABLES, selectEnvironment } from "./environment.ts";
import { NO_PROJECT, type Project } from "./project.ts";

/**
 * The roles, and where the code of each is. From source a process is started on that file: of all that
 * `main.ts` could import, Deno reads every file before the first line runs.
 */
export const ROLES = {
  "@child": "../child/main.ts",
  "@zygote": "../zygote/main.ts",
  "@writer": "../client/writer.ts",
  "@bench": "../bench/role.ts",
} as const;

/** A role that this program starts itself in. */
export type Role = keyof typeof ROLES;

/** What the process in the other role may do and how its V8 runs. */
export interface RoleOptions {
  /** Permission flags of the process when it runs from source; compiled ones are baked in. */
  readonly permissions: readonly string[];
  /** V8 flags when it runs from source; compiled ones are baked in. */
  readonly v8Flags?: readonly string[];
  /** Whether the role loads a person's module, which is to import nothing of ours. */
  readonly isClosed?: boolean;
  /** The project that the module belongs to. */
  readonly project?: Project | undefined;
}

/** A command line to start. */
export interface CommandLine {
  /** The executable's path. */
  readonly program: string;
  /** Its arguments. */
  readonly args: string[];
}

/** The command line that starts this program in another role. */
export function roleCommand(
  role: Role,
  args: readonly string[],
  options: RoleOptions,
): CommandLine {
  const program = executable();
  if (Deno.build.standalone) return { program, args: [role, ...args] };
  const project = options.project ?? NO_PROJECT;
  const flags = [
    "run",
    "--quiet",
    "--no-prompt",
    "--cached-only",
    ...project.flags,
  ];
  if (options.v8Flags?.length) {
    flags.push(`--v8-flags=${options.v8Flags.join(",")}`);
  }
  let entry = new URL(ROLES[role], import.meta.url).href;
  if (options.isClosed) {
    const file = entry;
    const start = `import{run}from${JSON.stringify(file)};await run(Deno.args)`;
    entry = dataUrl("javascript", start); // whoever imports a role's file must be one of ours
    flags.push(
      `--import-map=${
        placeOfMap(closedImportMap(entry, file, project), role, project)
      }`,
    );
  }
  return { program, args: [...flags, ...options.permissions, entry, ...args] };
}

/** All that a person's module may import of ours: types. */
const PUBLIC = new URL("../mod.ts", import.meta.url).href;
/** Where our own modules are. */
const OURS = new URL("../", import.meta.url).href;

/**
 * The project's import map, which lets nobody but our own modules, and the entry, import our modules: they hold
 * functions of the system.
 */
function closedImportMap(
  entry: string,
  role: string,
  { importMap }: Project,
): string {
  const scopes = Object.entries(importMap.scopes)
    .filter(([scope]) => !scope.startsWith(OURS))
    .map(([scope, names]) => [scope, withoutOurs(names)]);
  return JSON.stringify({
    imports: {
      ...withoutOurs(importMap.imports),
      ...{ [OURS]: null, [PUBLIC]: PUBLIC },
    },
    scopes: {
      ...Object.fromEntries(scopes),
      ...{ [OURS]: { [OURS]: OURS }, [entry]: { [role]: role } },
    },
  });
}

/** An address is not looked up again: whoever could name one of ours would have it. */
function withoutOurs(
  names: Readonly<Record<string, string | null>>,
): Record<string, string | null> {
  const entries = Object.entries(names).flatMap(([name, address]) => {
    if (address === null || address === PUBLIC) return [[name, address]];
    if (address.startsWith(OURS)) return [[name, null]];
    // A directory above ours, all but ours.
    return name.endsWith("/") && OURS.startsWith(address)
      ? [[name, address], [name + OURS.slice(address.length), null]]
      : [[name, address]];
  });
  return Object.fromEntries(entries);
}

/** Where the import map is: in the command line, or, where that cannot be, in a file. */
function placeOfMap(map: string, role: Role, { directory }: Project): string {
  if (directory === undefined) return dataUrl("json", map);
  const path = `${directory}/${role.slice(1)}.json`;
  try {
    Deno.writeTextFileSync(path, map, { createNew: true });
  } catch (error) {
    // That of the process before: it says the same.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  return path;
}

/** A module or a file as a URL. */
export function dataUrl(type: string, text: string): string {
  return `data:application/${type},${encodeURIComponent(text)}`;
}

/** What the kernel appends to the path of an executable that was removed or replaced, proc(5). */
const DELETED = " (deleted)";

/**
 * The executable to start. When an update has replaced it, that is the old one from source, which the
 * kernel keeps for as long as this process runs; a compiled one reads itself from its path, where the
 * new one is.
 */
function executable(): string {
  const path = Deno.execPath();
  if (!path.endsWith(DELETED)) return path;
  return Deno.build.standalone
    ? path.slice(0, -DELETED.length)
    : `/proc/${Deno.pid}/exe`;
}

/** The environment of a process of ours that a stranger talks to. */
export function runtimeEnvironment(
  grants: readonly string[] = [],
): Record<string, string> {
  const env = selectEnvironment(RUNTIME_VARIABLES, grants);
  // The server alone exports telemetry: the runtime does so on a thread, which no zygote may have.
  delete env.OTEL_DENO;
  return { DENO_NO_UPDATE_CHECK: "1", ...env };
}
