/**
 * What an archive holds for every system alike: the documents, the manual pages, the completions.
 *
 * @module
 */
import type { ArchiveFile } from "./archive.ts";
import { EXECUTABLES } from "./executables.ts";
import { printedBy } from "./printed_by.ts";
import { ROOT } from "./stage.ts";

/**
 * Makes them.
 *
 * @param licenses Those of the packages inside the executables.
 * @returns The files, as an archive has them.
 * @throws {ReleaseError} When one cannot be made.
 */
export async function makeDocuments(
  licenses: ReadonlyMap<string, Uint8Array>,
): Promise<ArchiveFile[]> {
  const files: ArchiveFile[] = linkedFrom("README.md").map((name) => ({
    name,
    data: Deno.readFileSync(new URL(name, ROOT)),
  }));
  for (const [name, data] of licenses) {
    files.push({ name: `licenses/${name}.txt`, data });
  }
  // What main.ts needs to print: it opens the C library, and asks where it is.
  const run = [
    "run",
    "--quiet",
    "--no-prompt",
    "-RE",
    "--allow-ffi",
    "main.ts",
  ];
  const print = async (name: string, ...words: string[]) => {
    const text = await printedBy(Deno.execPath(), ...run, ...words);
    files.push({ name, data: new TextEncoder().encode(text) });
  };
  for (const { name } of EXECUTABLES) {
    const file = completionFiles(name);
    await print(`share/man/man1/${name}.1`, "man", name);
    for (const shell of ["bash", "zsh", "fish"] as const) {
      await print(`share/${file[shell]}`, "completions", shell, name);
    }
  }
  return files;
}

/** Links within the repository, in Markdown. */
const LINKS = /\]\((?!https?:|#)([^)#]+)/g;

/**
 * A document, and every file that links lead to from it, so that no link of an archive is dead.
 *
 * @returns Their paths in the repository, which are those in the archive, too.
 */
export function linkedFrom(first: string): string[] {
  const found = new Set([first]);
  for (const name of found) {
    if (!name.endsWith(".md")) continue;
    const here = new URL(name, ROOT);
    for (const [, link] of Deno.readTextFileSync(here).matchAll(LINKS)) {
      found.add(new URL(link!, here).href.slice(ROOT.href.length));
    }
  }
  return [...found].sort();
}

/** Where each shell looks below /usr/share, and below ~/.local/share. */
function completionFiles(name: string) {
  return {
    bash: `bash-completion/completions/${name}`,
    zsh: `zsh/site-functions/_${name}`,
    fish: `fish/vendor_completions.d/${name}.fish`,
  };
}
