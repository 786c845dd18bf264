/**
 * A handler's code as it was at one moment. Processes that start later load it from here, and so run
 * the same code as those before them, whatever has become of the files since.
 *
 * A snapshot is a directory with a copy of each file at its own absolute path below it. What lies
 * beside the copies and is no module is linked, so that `new URL("data.json", import.meta.url)` finds it.
 *
 * @module
 */
import type { ModuleFiles } from "../project/module_files.ts";

const { dirname, join } = await import("node:path");
const { fileURLToPath, pathToFileURL } = await import("node:url");

/** Copies of a handler's files. */
export class Snapshot {
  readonly #root: string;

  /**
   * Makes the copies.
   *
   * @throws {Error} When there is no room for them.
   */
  constructor(files: ModuleFiles) {
    this.#root = Deno.makeTempDirSync({ prefix: "mpserv-watch-" });
    try {
      // Whoever `--user` names may load what is imported late; the names above are nobody's secret.
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

  /** Removes the copies. */
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
