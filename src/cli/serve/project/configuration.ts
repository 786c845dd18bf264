/**
 * A project's configuration, found from a file upwards as `deno run` finds it: `deno.json`, `deno.jsonc`,
 * or a `package.json` with its `node_modules`.
 *
 * @module
 */
import { UserError } from "../../terminal.ts";
import {
  absoluteMap,
  confinedMap,
  type ImportMap,
  mergeMaps,
} from "./import_map.ts";

const { dirname, join, resolve } = await import("node:path");
const { pathToFileURL } = await import("node:url");

/** A `deno.json`. */
export interface Configuration {
  /** Its path. */
  readonly path: string;
  /** The directory in which it stands. */
  readonly directory: string;
  /** What it says. */
  readonly says: Readonly<Record<string, unknown>>;
}

/** What is found from a file upwards. */
export interface Found {
  /** The nearest configuration, or the workspace of a package; null when there is none. */
  readonly configuration: Configuration | null;
  /** The configuration of the workspace to which it belongs, if it belongs to one; may be itself. */
  readonly workspace: Configuration | null;
  /** The directory of the nearest `package.json`; null when a configuration is nearer, or there is none. */
  readonly packageDirectory: string | null;
}

const NAMES = ["deno.json", "deno.jsonc"];
const EMPTY: ImportMap = { imports: {}, scopes: {} };

/**
 * Finds the configuration of a file.
 *
 * @throws {UserError} When what is found cannot be read.
 */
export function findConfiguration(file: string): Found {
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
    if (directory === dirname(directory)) {
      return { configuration: null, workspace: null, packageDirectory: null };
    }
  }
}

/**
 * Reads a configuration.
 *
 * @throws {UserError} When it cannot be read, or is no configuration.
 */
export function readConfiguration(path: string): Configuration {
  const directory = dirname(path);
  const says = readObject(path, "configuration");
  return { path, directory, says };
}

/**
 * The workspace of a configuration that a person named.
 *
 * @returns That of the workspace; null when it belongs to none.
 */
export function workspaceOf(
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

/**
 * Every name that the code of a project may import.
 *
 * @throws {UserError} When an import map that is named cannot be read.
 */
export function importMapOf(
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

/** What a member of a workspace is called by the others. */
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
    `Cannot use the ${what} "${path}": it is no object: write \`{}\``,
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

/**
 * Reads it.
 *
 * @throws {SyntaxError} When it is none; the place is that of the text.
 */
export function parseJsonc(text: string): unknown {
  const plain = text.replace(/^\ufeff/, " ").replaceAll(
    PARTS,
    (part, quoted?: string) => quoted ?? part.replaceAll(/[^\n]/g, " "),
  );
  return JSON.parse(plain);
}
