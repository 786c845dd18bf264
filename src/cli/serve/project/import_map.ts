/**
 * Import maps (HTML, "Import maps"), as a project's configuration has them: found, made absolute, and put
 * together.
 *
 * @module
 */

/** Names and where they lead; null leads nowhere. */
export type SpecifierMap = Record<string, string | null>;

/** An import map in which every address, scope and path is absolute. */
export interface ImportMap {
  /** For every module. */
  readonly imports: SpecifierMap;
  /** For modules below an address. */
  readonly scopes: Record<string, SpecifierMap>;
}

/** What a person wrote. */
export interface WrittenMap {
  readonly imports?: unknown;
  readonly scopes?: unknown;
}

/** A map that was written somewhere. */
export function absoluteMap(
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
export function mergeMaps(...maps: readonly ImportMap[]): ImportMap {
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
export function confinedMap(
  { imports, scopes }: ImportMap,
  directory: string,
): ImportMap {
  return mergeMaps({ imports: {}, scopes: { [directory]: imports } }, {
    imports: {},
    scopes,
  });
}

/**
 * Where an import leads.
 *
 * @returns The URL; null when the map does not know it and it is none itself.
 */
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

/** What is below a package: `npm:/chalk@5/` of `npm:chalk@5`. */
function packageBelow(address: string): string | undefined {
  const [, scheme, rest] = /^(npm|jsr):\/?(.*[^/])$/.exec(address) ?? [];
  return scheme === undefined ? undefined : `${scheme}:/${rest}/`;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}
