/**
 * The local files that a handler is made of, found by reading them: a compiled executable has no
 * `deno info`, and a file with a syntax error has imports, too.
 *
 * A handler's code as it was at one moment. Processes that start later load it from here, and so run
 * the same code as those before them, whatever has become of the files since.
 *
 * A snapshot is a directory with a copy of each file at its own absolute path below it. What lies
 * beside the copies and is no module is linked, so that `new URL("data.json", import.meta.url)` finds it.
 *
 * @module
 */

const { dirname, join } = await import("node:path");
const { fileURLToPath, pathToFileURL } = await import("node:url");

/** `from "./x.ts"`, `import "./x.ts"`, `import("./x.ts")`, `require("./x.cjs")`; a name that is computed cannot be seen. */
const IMPORT = /\b(?:from|import|require)\s*\(?\s*(?:"([^"\n]+)"|'([^'\n]+)')/g;

/** The content of the files by path; null for an imported file that does not exist. */
export type ModuleFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer> | null>;

/** The modules that a module imports. */
interface Modules {
  /** Its files, the module's own first. */
  readonly files: ModuleFiles;
  /** The URLs of imports that are not files: `npm:chalk@5`, `node:fs`. */
  readonly others: readonly string[];
}

/** The target of an import; null if it is unknown. */
type Resolve = (specifier: string, referrer: string) => string | null;

/** Only files that can contain imports are searched for them. */
const CODE = /\.[cm]?[jt]sx?$/;

/** Reads a module and all that it imports from files, and they in turn. */
export function readModuleFiles(entry: string, resolve: Resolve): Modules {
  const files = new Map<string, Uint8Array<ArrayBuffer> | null>();
  const others = new Set<string>();
  const urls = [entry];
  for (let url; (url = urls.shift()) !== undefined;) {
    const path = pathOf(url);
    if (path === null || files.has(path)) continue;
    const bytes = readFile(path);
    files.set(path, bytes);
    if (!bytes || !CODE.test(path)) continue;
    const text = new TextDecoder().decode(bytes);
    for (const [, double, single] of text.matchAll(IMPORT)) {
      const imported = resolve(double ?? single ?? "", url);
      if (imported?.startsWith("file:")) urls.push(imported);
      else if (imported) others.add(imported);
    }
  }
  return { files, others: [...others] };
}

export function readFiles(paths: readonly string[]): ModuleFiles {
  return new Map(paths.map((path) => [path, readFile(path)]));
}

/** Whether two readings found the same. Returns true when no file came, went or changed. */
export function sameFiles(a: ModuleFiles, b: ModuleFiles): boolean {
  return a.size === b.size &&
    [...a].every(([path, bytes]) =>
      b.has(path) && isSame(bytes, b.get(path) ?? null)
    );
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function pathOf(url: string): string | null {
  try {
    return fileURLToPath(url);
  } catch {
    return null; // on another machine, or with a slash in a name
  }
}

function readFile(path: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Deno.readFileSync(path);
  } catch {
    return null; // loading it reports the reason
  }
}

/** Copies of a handler's files. */
export class Snapshot {
  readonly #root: string;

  /** Makes the copies. Throws `Error` when there is no room for them. */
  constructor(files: ModuleFiles) {
    this.#root = Deno.makeTempDirSync({ prefix: "mpserv-watch-" });
    try {
      // The user of `--user` must be able to load late imports; the names above are no secret.
      Deno.chmodSync(this.#root, 0o711);
      for (const [path, bytes] of files) {
        if (bytes !== null) this.#copy(path, bytes);
      }
      for (const directory of new Set([...files.keys()].map(dirname))) {
        this.#linkRest(directory);
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Where a module is in here. */
  urlOf(url: string): string {
    return pathToFileURL(this.pathOf(fileURLToPath(url))).href;
  }

  /** Where a file is in here. */
  pathOf(path: string): string {
    return join(this.#root, path);
  }

  /** A text that names places in here, such as an error's. */
  originalPlaces(text: string): string {
    return text.replaceAll(this.#root, "");
  }

  remove(): void {
    Deno.removeSync(this.#root, { recursive: true });
  }

  #copy(path: string, bytes: Uint8Array): void {
    const copy = join(this.#root, path);
    Deno.mkdirSync(dirname(copy), { recursive: true });
    const mode = (Deno.statSync(path).mode ?? 0o644) & 0o777;
    Deno.writeFileSync(copy, bytes, { mode: mode | 0o400 });
  }

  #linkRest(directory: string): void {
    const copies = join(this.#root, directory);
    for (const { name } of entriesOf(directory)) {
      try {
        Deno.symlinkSync(join(directory, name), join(copies, name));
      } catch (error) {
        // A copy, or a directory with copies, is there already.
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  }
}

function entriesOf(directory: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch {
    return []; // a directory that is imported from and not there
  }
}
