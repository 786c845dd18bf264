/**
 * What goes into an executable, in a directory of its own: the sources, the packages that they use and
 * nothing else of the checkout, every file with the same date. `deno compile` embeds dates, and where
 * packages came from; so the same sources give the same bytes.
 *
 * @module
 */
import { dirname } from "node:path";
import manifest from "../deno.json" with { type: "json" };
import { fail, say } from "./fail.ts";

/** The project's root. */
export const ROOT = new URL("../", import.meta.url);

/** A directory to compile in, removed at the end of the block. */
export interface Stage extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
  /** The licenses of the packages in it, by package. */
  readonly licenses: ReadonlyMap<string, Uint8Array>;
}

/** What of a package is of use in an executable; the compiler tries to read anything else as a script. */
const CODE = /\.([cm]?js|json)$|^\.initialized$/;

/**
 * Lays one out.
 *
 * @param date The date of every file.
 * @returns The directory.
 */
export async function makeStage(date: Date): Promise<Stage> {
  const path = await Deno.makeTempDir({ prefix: "mpserv-stage-" });
  const licenses = new Map<string, Uint8Array>();
  const stage: Stage = {
    path,
    licenses,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
  try {
    await fill(path);
    await prune(`${path}/node_modules`, licenses);
    await settle(path, date);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

async function fill(path: string): Promise<void> {
  const sources = ["main.ts", ...filesBelow(`${ROOT.pathname}src`, "src")];
  const texts = sources.map((name) => {
    const text = Deno.readTextFileSync(new URL(name, ROOT));
    Deno.mkdirSync(dirname(`${path}/${name}`), { recursive: true });
    Deno.writeTextFileSync(`${path}/${name}`, text);
    return text;
  });
  const { name, version, license, exports, compilerOptions } = manifest;
  const config = {
    ...{ name, version, license, exports, compilerOptions },
    imports: importsOf(texts),
    nodeModulesDir: "auto", // a managed cache would be embedded under the registry's name
  };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  // The lock file's checksums hold; what is in it for tests alone is dropped.
  await Deno.copyFile(new URL("deno.lock", ROOT), `${path}/deno.lock`);
  await install(path);
}

/** Gets the packages; where that fails, what Deno said stands above our line. */
async function install(path: string): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: path,
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0", RUST_LIB_BACKTRACE: "0" },
    stdin: "null",
  }).output();
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).trim();
  if (said) say(said);
  fail(
    /certificate|UnknownIssuer/i.test(said)
      ? `Cannot get the packages: Deno ${Deno.version.deno} does not trust the certificate of the registry or of a proxy before it: set DENO_TLS_CA_STORE=system to trust what this system trusts`
      : `Cannot get the packages: deno install ended with code ${code}: see above`,
  );
}

/** The packages that sources import, of those that the project names. */
function importsOf(texts: readonly string[]): Record<string, string> {
  const used = Object.entries(manifest.imports).filter(([name]) =>
    texts.some((text) => text.includes(`"${name}"`))
  );
  return Object.fromEntries(used);
}

/** Every file below a directory, sorted, with another name for the directory. */
function filesBelow(directory: string, name: string): string[] {
  const entries = [...Deno.readDirSync(directory)];
  return entries.flatMap((entry) => {
    const path = `${name}/${entry.name}`;
    return entry.isDirectory
      ? filesBelow(`${directory}/${entry.name}`, path)
      : [path];
  }).sort();
}

/** Removes what is no code, and collects licenses. */
async function prune(
  directory: string,
  licenses: Map<string, Uint8Array>,
): Promise<void> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) await prune(path, licenses);
    else if (isFile && !CODE.test(name)) {
      const owner = /\/node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(directory)
        ?.[1];
      if (owner && /^licen[cs]e/i.test(name)) {
        licenses.set(owner, await Deno.readFile(path));
      }
      await Deno.remove(path);
    }
  }
}

/** Gives every file the date. Those of packages may be links into a cache that is not ours: copied first. */
async function settle(directory: string, date: Date): Promise<void> {
  for (const { name, isDirectory, isFile } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) await settle(path, date);
    else if (isFile) {
      const bytes = await Deno.readFile(path);
      await Deno.remove(path);
      await Deno.writeFile(path, bytes);
      await Deno.utime(path, date, date);
    }
  }
}
