/**
 * A project's configuration, found from a file upwards as `deno run` finds it: `deno.json`, `deno.jsonc`,
 * or a `package.json` with its `node_modules`.
 *
 * Import maps (HTML, "Import maps"), as a project's configuration has them: found, made absolute, and put
 * together.
 *
 * @module
 */
import { UserError } from "../../terminal.ts";

/** Names and where they lead; null leads nowhere. */
type SpecifierMap = Record<string, string | null>;

/** An import map in which every address, scope and path is absolute. */
interface ImportMap {
  /** For every module. */
  readonly imports: SpecifierMap;
  /** For modules below an address. */
  readonly scopes: Record<string, SpecifierMap>;
}

/** The import map as a person wrote it. */
interface WrittenMap {
  readonly imports?: unknown;
  readonly scopes?: unknown;
}

/** A map that was written somewhere. */
function absoluteMap(
  { imports, scopes }: WrittenMap,
  base: string,
  isConfiguration: boolean,
): ImportMap {
  const names = (of: unknown) => absoluteNames(of, base, isConfiguration);
  return {
    imports: names(imports),
    scopes: Object.fromEntries(
      Object.entries(recordOf(scopes)).flatMap(([scope, of]) => {
        const href = URL.parse(scope, base)?.href;
        return href === undefined ? [] : [[href, names(of)]];
      }),
    ),
  };
}

/** Several maps as one. */
function mergeMaps(...maps: readonly ImportMap[]): ImportMap {
  const scopes: Record<string, SpecifierMap> = {};
  for (const map of maps) {
    for (const [scope, names] of Object.entries(map.scopes)) {
      scopes[scope] = { ...scopes[scope], ...names };
    }
  }
  const imports = Object.assign({}, ...maps.map(({ imports }) => imports));
  return { imports, scopes };
}

/** A map that holds for the modules of one directory alone. */
function confinedMap(
  { imports, scopes }: ImportMap,
  directory: string,
): ImportMap {
  return mergeMaps({ imports: {}, scopes: { [directory]: imports } }, {
    imports: {},
    scopes,
  });
}

/** Where an import leads. Returns the URL; null when the map does not know it and it is none itself. */
export function resolveImport(
  { imports, scopes }: ImportMap,
  specifier: string,
  referrer: string,
): string | null {
  const isPath = /^(\.{0,2}\/)/.test(specifier);
  const url = URL.parse(specifier, isPath ? referrer : undefined)?.href;
  const name = url ?? specifier;
  const inScope = Object.keys(scopes)
    .filter((scope) =>
      scope === referrer || (scope.endsWith("/") && referrer.startsWith(scope))
    )
    .sort((a, b) => b.length - a.length);
  for (const names of [...inScope.map((scope) => scopes[scope]!), imports]) {
    const found = lookUp(names, name);
    if (found !== undefined) return found;
  }
  return url ?? null;
}

function lookUp(names: SpecifierMap, name: string): string | null | undefined {
  if (Object.hasOwn(names, name)) return names[name];
  const prefix = Object.keys(names)
    .filter((key) => key.endsWith("/") && name.startsWith(key))
    .sort((a, b) => b.length - a.length)[0];
  if (prefix === undefined) return undefined;
  const address = names[prefix];
  if (!address) return null;
  return address + name.slice(prefix.length);
}

function absoluteNames(
  names: unknown,
  base: string,
  isConfiguration: boolean,
): SpecifierMap {
  const found: SpecifierMap = {};
  for (const [name, address] of Object.entries(recordOf(names))) {
    const key = absoluteName(name, base);
    if (typeof address !== "string") {
      found[key] = null;
      continue;
    }
    const isPath = /^(\.{0,2}\/)/.test(address);
    found[key] = URL.parse(address, isPath ? base : undefined)?.href ?? null;
    const below = packageBelow(address);
    if (isConfiguration && below && !key.endsWith("/")) {
      found[`${key}/`] ??= below;
    }
  }
  return found;
}

function absoluteName(name: string, base: string): string {
  const isPath = /^(\.{0,2}\/)/.test(name);
  return (isPath ? URL.parse(name, base)?.href : undefined) ?? name;
}

/** The address of a package's parts: `npm:/chalk@5/` for `npm:chalk@5`. */
function packageBelow(address: string): string | undefined {
  const [, scheme, rest] = /^(npm|jsr):\/?(.*[^/])$/.exec(address) ?? [];
  return scheme === undefined ? undefined : `${scheme}:/${rest}/`;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}

const { dirname, join, resolve } = await import("node:path");
const { pathToFileURL } = await import("node:url");

/** A `deno.json`. */
export interface Configuration {
  readonly path: string;
  readonly directory: string;
  readonly says: Readonly<Record<string, unknown>>;
}

/** The files found from a file upwards. */
export interface Found {
  /** The nearest configuration, or the workspace of a package; null when there is none. */
  readonly configuration: Configuration | null;
  /** The configuration of the workspace to which it belongs, if it belongs to one; may be itself. */
  readonly workspace: Configuration | null;
  /** The directory of the nearest `package.json`; null when a configuration is nearer, or there is none. */
  readonly packageDirectory: string | null;
  /** Every name that the project's code may import. */
  readonly importMap: ImportMap;
}

const NAMES = ["deno.json", "deno.jsonc"];
const EMPTY: ImportMap = { imports: {}, scopes: {} };

/**
 * Finds the configuration of a file; `config`: the one that a person named, or `none`. Throws `UserError` when a
 * configuration, or an import map that it names, cannot be read.
 */
export function findConfiguration(
  file: string,
  config: string | undefined,
): Found {
  const found = config === undefined ? findUpwards(file) : findNamed(config);
  const { configuration, workspace } = found;
  return { ...found, importMap: importMapOf(configuration, workspace) };
}

const NOTHING = {
  configuration: null,
  workspace: null,
  packageDirectory: null,
};

function findNamed(config: string): Omit<Found, "importMap"> {
  if (config === "none") return NOTHING;
  const path = resolve(config);
  const configuration = readConfiguration(path);
  const workspace = workspaceOf(dirname(path), configuration);
  return { ...NOTHING, configuration, workspace };
}

function findUpwards(file: string): Omit<Found, "importMap"> {
  let directory = dirname(file);
  for (;; directory = dirname(directory)) {
    const configuration = configurationIn(directory);
    const hasPackage = exists(join(directory, "package.json"));
    if (configuration || hasPackage) {
      const workspace = workspaceOf(directory, configuration);
      return {
        configuration: configuration ?? workspace,
        workspace,
        packageDirectory: hasPackage ? directory : null,
      };
    }
    if (directory === dirname(directory)) return NOTHING;
  }
}

/** Reads a configuration. Throws `UserError` when it cannot be read, or is no configuration. */
export function readConfiguration(path: string): Configuration {
  const directory = dirname(path);
  const says = readObject(path, "configuration");
  return { path, directory, says };
}

/** The configuration of the workspace to which a directory belongs; null when it belongs to none. */
function workspaceOf(
  start: string,
  configuration: Configuration | null,
): Configuration | null {
  if (configuration && "workspace" in configuration.says) return configuration;
  for (
    let directory = dirname(start), last = start;
    directory !== last;
    last = directory, directory = dirname(directory)
  ) {
    const above = configurationIn(directory);
    if (above && membersOf(above).includes(start)) return above;
  }
  return null;
}

function importMapOf(
  configuration: Configuration | null,
  workspace: Configuration | null,
): ImportMap {
  if (!workspace) return configuration ? mapOf(configuration) : EMPTY;
  const members = membersOf(workspace).flatMap((directory) => {
    const member = configurationIn(directory);
    if (!member) return [];
    const url = `${pathToFileURL(directory).href}/`;
    return [{ member, map: confinedMap(mapOf(member), url) }];
  });
  return mergeMaps(
    ...members.map(({ member }) => exportsOf(member)),
    mapOf(workspace),
    ...members.map(({ map }) => map),
  );
}

/** The directories of a workspace's members. */
function membersOf({ directory, says }: Configuration): string[] {
  const { workspace } = says;
  const list = Array.isArray(workspace)
    ? workspace
    : (workspace as { members?: unknown } | undefined)?.members;
  if (!Array.isArray(list)) return [];
  return list.filter((member) => typeof member === "string")
    .flatMap((member) => expand(directory, member));
}

/** The directories that a member's path means, in which `*` is any name. */
function expand(root: string, member: string): string[] {
  let found = [root];
  for (const part of member.split("/").filter((it) => it && it !== ".")) {
    found = found.flatMap((directory) => {
      if (!part.includes("*")) return [resolve(directory, part)];
      const text = part.split("*").map((it) => RegExp.escape(it)).join(".*");
      const pattern = new RegExp(`^${text}$`);
      return directoriesIn(directory).filter((name) => pattern.test(name))
        .map((name) => join(directory, name));
    });
  }
  return found;
}

function directoriesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].filter((entry) => entry.isDirectory)
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The names by which the other members import a member of a workspace. */
function exportsOf({ path, says }: Configuration): ImportMap {
  const { name, exports } = says;
  if (typeof name !== "string") return EMPTY;
  const named = typeof exports === "string" ? { ".": exports } : exports ?? {};
  const imports = Object.fromEntries(
    Object.entries(named as Record<string, unknown>).map(([key, address]) => [
      key === "." ? name : name + key.slice(1),
      address,
    ]),
  );
  return absoluteMap({ imports }, pathToFileURL(path).href, false);
}

function mapOf({ path, directory, says }: Configuration): ImportMap {
  const url = pathToFileURL(path).href;
  const { importMap } = says;
  if (typeof importMap !== "string" || "imports" in says || "scopes" in says) {
    return absoluteMap(says, url, true);
  }
  if (/^https?:/.test(importMap)) {
    throw new UserError(
      `Cannot use the import map "${importMap}" of "${path}": it is not on this machine: save it to a file`,
    );
  }
  const file = resolve(directory, importMap);
  return absoluteMap(
    readObject(file, "import map"),
    pathToFileURL(file).href,
    false,
  );
}

function configurationIn(directory: string): Configuration | null {
  const name = NAMES.find((name) => exists(join(directory, name)));
  return name === undefined ? null : readConfiguration(join(directory, name));
}

function readObject(path: string, what: string): Record<string, unknown> {
  let read: unknown;
  try {
    read = parseJsonc(Deno.readTextFileSync(path));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "no such file: check the path"
      : (error as Error).message;
    throw new UserError(`Cannot use the ${what} "${path}": ${why}`);
  }
  if (typeof read === "object" && read !== null && !Array.isArray(read)) {
    return read as Record<string, unknown>;
  }
  throw new UserError(
    `Cannot use the ${what} "${path}": it is not an object: write \`{}\``,
  );
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A text in quotes, a comment, or a comma with nothing but comments between it and the end of its list. */
const PARTS =
  /("(?:\\.|[^"\\\n])*")|\/\/[^\n]*|\/\*[^]*?\*\/|,(?=(?:\s|\/\/[^\n]*\n|\/\*[^]*?\*\/)*[}\]])/g;

/** Reads it. Throws `SyntaxError` when it is none; the place is that of the text. */
function parseJsonc(text: string): unknown {
  const plain = text.replace(/^\ufeff/, " ").replaceAll(
    PARTS,
    (part, quoted?: string) => quoted ?? part.replaceAll(/[^\n]/g, " "),
  );
  return JSON.parse(plain);
}
