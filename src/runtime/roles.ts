/**
 * How this program starts itself in another role: from source as `deno run … FILE …`, and compiled as
 * the executable itself, whose `main.ts` picks the role.
 *
 * Which variables of the server's environment reach the processes that strangers talk to: those that
 * a runtime or program needs to find its way, and those that a person granted by name. Secrets that
 * the server itself was started with stay with it.
 *
 * How V8 runs where processes are forked.
 *
 * @module
 */

/** The flags for a process that loads the handler. */
export interface Project {
  /** Deno's flags: configuration, lock file, node_modules, unstable APIs. */
  readonly flags: readonly string[];
  /**
   * Every name that its code may import, in absolute addresses: what `--import-map` must say if it is to
   * say more than `flags`, which have the same already.
   */
  readonly importMap: {
    readonly imports: Readonly<Record<string, string | null>>;
    readonly scopes: Readonly<
      Record<string, Readonly<Record<string, string | null>>>
    >;
  };
  /**
   * A directory for import maps, one a role; undefined where they can be a part of the command line. Where a
   * `data:` URL meets a configuration, Deno 2.9 may end with a panic.
   */
  readonly directory?: string | undefined;
  /** Files and directories that loading it reads. */
  readonly roots: readonly string[];
}

/** The flags for a process without a handler: it can import only our own files. */
export const NO_PROJECT: Project = {
  flags: ["--no-config", "--no-lock"],
  importMap: { imports: {}, scopes: {} },
  roots: [],
};

/**
 * The flags of a process that is no zygote: room for all that a start makes, in megabytes. With V8's own, its heap is
 * collected twice meanwhile, when all in it is alive. V8 uses code that was cached without these flags. Not for a
 * zygote: its children would write into more memory, of which each has a copy to make (0.85 of the rate of a pool).
 */
export const START_V8_FLAGS: readonly string[] = ["--min-semi-space-size=4"];

/**
 * The flags of a zygote, and so of the executable that it is when it was compiled. No threads of V8's own: they would
 * not exist in a forked child. No Maglev: what is warm in the zygote would be compiled by it in every child anew, on
 * its only thread; what is hot, TurboFan still takes, after as many calls as Maglev would have.
 */
export const ZYGOTE_V8_FLAGS: readonly string[] = [
  "--single-threaded",
  "--no-maglev",
  "--invocation-count-for-turbofan=400",
  "--minimum-invocations-after-ic-update=100",
];

/** The variables that our runtime needs: the places of its files, language and time zone. */
export const RUNTIME_VARIABLES: readonly string[] = [
  "PATH",
  "HOME",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "DENO_DIR",
  "LANG",
  "TZ",
  "NO_COLOR",
];

/** The variables that a program gets: user, places and language. */
export const PROGRAM_VARIABLES: readonly string[] = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "TERM",
  "TZ",
  "LANG",
  "LANGUAGE",
  "LC_*",
];

/** Those variables that are named or granted. `env`: of which environment; of ours unless said otherwise. */
export function selectEnvironment(
  names: readonly string[],
  grants: readonly string[],
  env: Readonly<Record<string, string>> = Deno.env.toObject(),
): Record<string, string> {
  const granted = grants.flatMap((grant) => {
    if (grant === "env") return ["*"];
    return grant.startsWith("env=") ? [grant.slice("env=".length)] : [];
  });
  const wanted = [...names, ...granted];
  return Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      wanted.some((pattern) => covers(pattern, name))
    ),
  );
}

function covers(pattern: string, name: string): boolean {
  return pattern.endsWith("*")
    ? name.startsWith(pattern.slice(0, -1))
    : name === pattern;
}

/**
 * The variables by which a service manager talks to us: systemd, and whatever speaks as it does
 * (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)).
 */
export const MANAGER_VARIABLES = [
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
] as const;

/** Their values, those that are set. */
export type ManagerVariables = Readonly<
  Partial<Record<typeof MANAGER_VARIABLES[number], string>>
>;

/**
 * Takes these variables out of the environment, since they are for this process alone: nothing that is started from
 * here may take itself for the service. Returns their values; null when none is set.
 */
export function takeManagerVariables(): ManagerVariables | null {
  const set = MANAGER_VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    if (value === undefined) return [];
    Deno.env.delete(name);
    return [[name, value] as const];
  });
  return set.length === 0 ? null : Object.fromEntries(set);
}

/**
 * The roles, and where the code of each is. From source a process is started on that file: of all that
 * `main.ts` could import, Deno reads every file before the first line runs.
 */
export const ROLES = {
  "@child": "../child/child_role.ts",
  "@zygote": "../zygote/zygote_role.ts",
  "@writer": "../client/writer_role.ts",
  "@bench": "../bench/bench_role.ts",
} as const;

/** A role that this program starts itself in. */
type Role = keyof typeof ROLES;

/** The permissions and V8 flags of the process in the other role. */
interface RoleOptions {
  /** Permission flags of the process when it runs from source; compiled ones are baked in. */
  readonly permissions: readonly string[];
  /** V8 flags when it runs from source; compiled ones are baked in. */
  readonly v8Flags?: readonly string[];
  /** Whether the role loads a person's module, which is to import nothing of ours. */
  readonly isClosed?: boolean;
  /** The project that the module belongs to. */
  readonly project?: Project | undefined;
}

interface CommandLine {
  readonly program: string;
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
  const { v8Flags = START_V8_FLAGS } = options;
  flags.push(`--v8-flags=${v8Flags.join(",")}`);
  // V8 takes no code from the cache that it made with other flags than these, but writes its own over it: each start
  // of one kind of process would cost the next start of the other kind what was cached.
  if (v8Flags !== START_V8_FLAGS) flags.push("--no-code-cache");
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

/** The suffix that the kernel adds to the path of a removed or replaced executable, proc(5). */
const DELETED = " (deleted)";

/**
 * The executable to start. When an update has replaced it, that is the old one from source, which the kernel keeps for
 * as long as this process runs; a compiled one reads itself from its path, where the new one is.
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
