/**
 * A handler runs as `deno run` in its own project would run it: with the configuration, the packages and
 * the lock file that are found from its file upwards.
 *
 * @module
 */
import { keepForRuntime } from "../../../model/runtime_process.ts";
import { grantKind, permissionFlags } from "../../../runtime/permissions.ts";
import type { Project } from "../../../runtime/roles.ts";
import { isWithin } from "../../../wire/child_options.ts";
import { UserError } from "../../terminal.ts";
import {
  type Configuration,
  findConfiguration,
  type Found,
  readConfiguration,
  resolveImport,
} from "./configuration.ts";
import {
  type ModuleFiles,
  readFiles,
  readModuleFiles,
} from "./module_files.ts";

const { basename, dirname, join, resolve } = await import("node:path");
const { fileURLToPath } = await import("node:url");

/** The options about the project. */
export interface ProjectOptions {
  /** A configuration file, or `none`; the nearest one is found without it. */
  readonly config?: string | undefined;
  /** Unstable APIs of Deno's: `kv`. */
  readonly unstable?: readonly string[] | undefined;
  /** Permissions that its handler keeps. */
  readonly grants: readonly string[];
}

/** A project, and the grants that its handler needs to be loaded. */
interface FoundProject extends Project {
  /** Grants beside the person's. */
  readonly grants: readonly string[];
}

/** The files of a project at this moment. */
interface ProjectFiles {
  /** The handler's modules, and then what says how they are loaded. */
  readonly files: ModuleFiles;
  /** The directories that it is. */
  readonly homes: readonly string[];
  /** The files found from the handler's file upwards. */
  readonly found: Found;
  /** URLs of imports that are not files. */
  readonly others: readonly string[];
}

/** Where code comes from that is not in files of the person's. */
const ELSEWHERE = /^(npm|jsr|https?):/;

/** Reads the files of a project. Throws `UserError` when its configuration cannot be used. */
export function readProject(
  module: string,
  options: ProjectOptions,
): ProjectFiles {
  const found = findConfiguration(fileURLToPath(module), options.config);
  const { configuration, workspace, packageDirectory, importMap } = found;
  const { files, others } = readModuleFiles(
    module,
    (specifier, referrer) => resolveImport(importMap, specifier, referrer),
  );
  const about = [
    ...new Set([configuration, workspace]).values().flatMap(filesAbout),
    ...packageDirectory ? [join(packageDirectory, "package.json")] : [],
    ...[...files.keys()].flatMap(packagesAbove),
  ];
  const all = [...files, ...readFiles(about.filter(exists))];
  const homes = homesOf(module, found, options.grants);
  return {
    files: new Map(all.filter(([path]) => isAt(path, homes))),
    homes,
    found,
    others,
  };
}

/**
 * The directories that a project is, and what may be read anyway. What a handler imports from anywhere else, by
 * whatever link, is not its own.
 */
function homesOf(
  module: string,
  { configuration, workspace, packageDirectory }: Found,
  grants: readonly string[],
): string[] {
  const granted = grants.filter((grant) => grantKind(grant) === "read")
    .flatMap((grant) => grant === "read" ? ["/"] : grant.slice(5).split(","));
  return [
    dirname(fileURLToPath(module)),
    ...[configuration?.directory, workspace?.directory, packageDirectory]
      .filter((directory) => typeof directory === "string"),
    ...granted,
  ].map(real);
}

function isAt(path: string, homes: readonly string[]): boolean {
  return homes.some((home) => isWithin(real(path), home));
}

/** Where a path leads; where nothing is, the path. */
function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/**
 * Finds the project of a handler, and gets the packages that it needs and that are not there yet. Throws `UserError`
 * when its configuration cannot be used, or a package cannot be had.
 */
export async function findProject(
  path: string,
  module: string,
  options: ProjectOptions,
): Promise<FoundProject> {
  const { files, homes, found, others } = readProject(
    module,
    options,
  );
  const { configuration, workspace, packageDirectory, importMap } = found;
  const root = workspace ?? configuration;
  const unstable = (options.unstable ?? []).map((name) => `--unstable-${name}`);
  const hasPackages = others.some((url) => ELSEWHERE.test(url)) ||
    "jsxImportSource" in compilerOptionsOf(found);
  if (hasPackages || unstable.length > 0) {
    const hosts = options.grants.filter((it) => grantKind(it) === "import");
    await getPackages(path, [
      configuration ? `--config=${configuration.path}` : "--no-config",
      ...unstable,
      ...permissionFlags(hosts),
      module,
    ]);
  }
  const lock = hasPackages && root ? lockFileOf(root) : undefined;
  const paths = [...files.keys()];
  const modules = nodeModulesOf(paths.map(dirname), homes);
  const directory = configuration ? writeConfiguration(found, lock) : undefined;
  const nodeModules = root?.says.nodeModulesDir ?? packageDirectory !== null;
  const isManual = nodeModules !== false && nodeModules !== "none";
  return {
    flags: [
      directory ? `--config=${directory}/deno.json` : "--no-config",
      ...lock ? [`--lock=${directory}/deno.lock`, "--frozen"] : ["--no-lock"],
      `--node-modules-dir=${isManual ? "manual" : "none"}`,
      ...unstable,
    ],
    importMap,
    directory,
    roots: [...paths, ...modules],
    grants: readsOfCommonJs(paths, modules),
  };
}

/** The directories written for processes, until {@linkcode removeProjects}. */
const written: string[] = [];

/** Removes the files written for processes. A starting process may still need them: call it when none is left. */
export function removeProjects(): void {
  for (const path of written.splice(0)) {
    Deno.removeSync(path, { recursive: true });
  }
}

/**
 * Writes what a process is told of the configuration. The names in it are in the import map, and nowhere else:
 * Deno would also take those of every configuration that the addresses lead to, past the import map, and so
 * past what keeps our own modules from a handler.
 */
function writeConfiguration(found: Found, lock: string | undefined): string {
  const directory = Deno.makeTempDirSync({ prefix: "mpserv-project-" });
  written.push(directory);
  const { unstable } = (found.workspace ?? found.configuration)!.says;
  Deno.writeTextFileSync(
    `${directory}/deno.json`,
    JSON.stringify({ compilerOptions: compilerOptionsOf(found), unstable }),
  );
  if (lock !== undefined) {
    // Deno would drop from the lock file whatever this lacks and the workspace needs.
    const { workspace: _, ...locked } = readConfiguration(lock).says;
    Deno.writeTextFileSync(`${directory}/deno.lock`, JSON.stringify(locked));
  }
  return directory;
}

/** The files beside a configuration that say how code is loaded. */
function filesAbout(configuration: Configuration | null): string[] {
  if (configuration === null) return [];
  const { path, directory, says: { importMap } } = configuration;
  const lock = lockFileOf(configuration);
  return [
    path,
    ...typeof importMap === "string" ? [resolve(directory, importMap)] : [],
    ...lock === undefined ? [] : [lock],
  ];
}

/** The files that tell whether a file is CommonJS, and a package's own name. */
function packagesAbove(file: string): string[] {
  return ancestorsOf(dirname(file)).map((it) => join(it, "package.json"));
}

/** The lock file that Deno has written, or a person keeps; undefined when there is none. */
function lockFileOf(root: Configuration): string | undefined {
  const { lock } = root.says;
  const named = typeof lock === "string"
    ? lock
    : (lock as { path?: string } | undefined)?.path;
  if (lock === false) return undefined;
  const path = resolve(root.directory, named ?? "deno.lock");
  return exists(path) ? path : undefined;
}

function compilerOptionsOf({ configuration, workspace }: Found): object {
  const [all, own] = [workspace, configuration].map((it) =>
    it?.says.compilerOptions as object | undefined
  );
  return { ...all, ...own };
}

/** Where Node's packages may be for code in these directories; a link among them leads to what it links. */
function nodeModulesOf(
  directories: readonly string[],
  homes: readonly string[],
): string[] {
  const found = new Set(
    directories.flatMap(ancestorsOf).map((directory) =>
      join(directory, "node_modules")
    ),
  );
  return [...found].filter(exists)
    .filter((modules) =>
      basename(real(modules)) === "node_modules" || isAt(modules, homes)
    )
    .flatMap((modules) => [
      modules,
      ...linksIn(modules).filter((path) => isAt(path, homes)),
    ]);
}

function linksIn(modules: string): string[] {
  return [...Deno.readDirSync(modules)].flatMap(({ name, ...entry }) => {
    const path = join(modules, name);
    if (entry.isDirectory && name.startsWith("@")) return linksIn(path);
    if (!entry.isSymlink || !exists(path)) return [];
    return [Deno.realPathSync(path)];
  });
}

function ancestorsOf(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...ancestorsOf(above)];
}

/**
 * CommonJS looks into the directory of each of its files, and of packages, while it is loaded, by permission of
 * the handler.
 */
function readsOfCommonJs(
  paths: readonly string[],
  modules: readonly string[],
): string[] {
  const directories = paths.filter((path) => /\.c[jt]s$/.test(path))
    .map(dirname);
  if (directories.length === 0) return [];
  const links = modules.map(real);
  const all = new Set([...directories, ...modules, ...links]);
  return [...all].map((directory) => `read=${directory}`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Lets Deno download what its cache lacks; the serving processes cannot. */
async function getPackages(
  path: string,
  args: readonly string[],
): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["cache", ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
  const child = keepForRuntime(command.spawn());
  const said = await readProgress(child.stderr, path);
  const { code } = await child.status;
  if (code === 0) return;
  const [, error = "deno gave no reason"] = /error: ([^]*)/.exec(said) ?? [];
  const why = error.split(/\n\s*\n/, 1)[0]!.replaceAll(/\s+/g, " ").trim()
    .replace(
      ", run again with the --allow-import flag",
      ", which was not granted (--grant import)",
    );
  throw new UserError(
    `Cannot get the packages of handler "${path}": ${why}`,
  );
}

/** The whole output of Deno; meanwhile a terminal shows the downloads. */
async function readProgress(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  path: string,
): Promise<string> {
  const shows = Deno.stderr.isTerminal();
  let said = "";
  let count = 0;
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    said += text;
    const downloads = said.match(/^Download /gm)?.length ?? 0;
    if (downloads === count) continue;
    count = downloads;
    if (shows) write(`\r\x1b[Kgetting packages of ${path}: ${count}`);
  }
  if (shows && count > 0) write("\r\x1b[K");
  return said;
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
