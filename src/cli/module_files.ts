/**
 * The local files that a handler is made of, found by reading them: a compiled executable has no
 * `deno info`, and a file with a syntax error has imports, too.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** `from "./x.ts"`, `import "./x.ts"`, `import("./x.ts")`; a name that is computed cannot be seen. */
const IMPORT =
  /\b(?:from|import)\s*\(?\s*(?:"((?:\.|\/|file:)[^"\n]*)"|'((?:\.|\/|file:)[^'\n]*)')/g;

/** What the files hold, by path; null where one is imported and not there. */
export type ModuleFiles = ReadonlyMap<string, string | null>;

/**
 * Reads a module and all that it imports from files, and they in turn.
 *
 * @param entry The module's URL, `file:`.
 * @returns The entry first.
 */
export function readModuleFiles(entry: string): ModuleFiles {
  const files = new Map<string, string | null>();
  const urls = [entry];
  for (let url; (url = urls.shift()) !== undefined;) {
    const path = fileURLToPath(url);
    if (files.has(path)) continue;
    const text = readFile(path);
    files.set(path, text);
    for (const [, double, single] of (text ?? "").matchAll(IMPORT)) {
      const imported = URL.parse(double ?? single ?? "", url);
      if (imported?.protocol === "file:") urls.push(imported.href);
    }
  }
  return files;
}

/**
 * Whether two readings found the same.
 *
 * @param a One.
 * @param b Another.
 * @returns True when no file came, went or changed.
 */
export function sameFiles(a: ModuleFiles, b: ModuleFiles): boolean {
  return a.size === b.size &&
    [...a].every(([path, text]) => b.has(path) && b.get(path) === text);
}

function readFile(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null; // whoever loads it is told why
  }
}
