/**
 * What goes into an executable, in a directory of its own: bundles of the sources and of the packages that they
 * use, and nothing else of the checkout, every file with the same date. `deno compile` embeds dates; so the same
 * sources give the same bytes.
 *
 * @module
 */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, closedConfiguration } from "./bundles.ts";
import manifest from "../deno.json" with { type: "json" };
import { runDeno } from "./run_deno.ts";

/** The project's root. */
export const ROOT = new URL("../", import.meta.url);

/** A directory to compile in, removed at the end of the block. */
export interface Stage extends AsyncDisposable {
  /** Its path. */
  readonly path: string;
  /** The licenses of the packages in it, by package. */
  readonly licenses: ReadonlyMap<string, Uint8Array>;
}

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
  const sources = await Deno.makeTempDir({ prefix: "mpserv-sources-" });
  try {
    await fill(sources);
    collectLicenses(`${sources}/node_modules`, licenses);
    await bundle(sources, path);
    const configuration = JSON.stringify(closedConfiguration());
    await Deno.writeTextFile(`${path}/deno.json`, configuration);
    await settle(path, date);
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  } finally {
    await Deno.remove(sources, { recursive: true });
  }
}

/** Lays out the sources and the packages that they use, as `deno bundle` takes them. */
async function fill(path: string): Promise<void> {
  const sources = [
    "main.ts",
    ...filesBelow(`${fileURLToPath(ROOT)}src`, "src"),
  ];
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
    nodeModulesDir: "auto", // a bundle names the files that it is made of: from here, not from a cache
  };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  // The lock file's checksums hold; what is in it for tests alone is dropped.
  await Deno.copyFile(new URL("deno.lock", ROOT), `${path}/deno.lock`);
  await runDeno(["install", "--quiet"], {
    cwd: path,
    failure: "Cannot get the packages",
  });
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

/** Collects the licenses of packages: their texts, and what a package says of it that has none. */
function collectLicenses(
  directory: string,
  licenses: Map<string, Uint8Array>,
): void {
  const owner = /\/node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(directory)?.[1];
  for (const { name, isDirectory, isFile } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) collectLicenses(path, licenses);
    if (!isFile || owner === undefined) continue;
    if (/^licen[cs]e/i.test(name)) {
      licenses.set(owner, Deno.readFileSync(path));
    } else if (name === "package.json" && !licenses.has(owner)) {
      const { version, license, author, repository } = JSON.parse(
        Deno.readTextFileSync(path),
      );
      const said = JSON.stringify({ version, license, author, repository });
      licenses.set(owner, new TextEncoder().encode(`${said}\n`));
    }
  }
}

/** Gives every file the date. */
async function settle(directory: string, date: Date): Promise<void> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) await settle(path, date);
    else await Deno.utime(path, date, date);
  }
}
