/**
 * Test files share a runtime: to start one for each file costs more than most of their tests. `deno test` gives each
 * file that it is given one with an array of 80 MB, which is its benchmarks'.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/**
 * Writes modules that import test files.
 *
 * @param files The test files.
 * @param count How many modules: more than work at once, so that none is left alone with much at the end.
 * @param directory Where the modules are written.
 * @param name What the names of the modules begin with.
 * @returns The paths of the modules.
 */
export function writeGroups(
  files: readonly string[],
  count: number,
  directory: string,
  name: string,
): string[] {
  const groups = Array.from(
    { length: Math.min(count, files.length) },
    (_, i) => files.filter((_, at) => at % count === i),
  );
  return groups.map((group, i) => {
    const path = `${directory}/${name}_${i + 1}_test.js`;
    Deno.writeTextFileSync(path, moduleOf(group));
    return path;
  });
}

/** A module that imports one file after the other, so that each registers its tests in its own name. */
function moduleOf(files: readonly string[]): string {
  const imports = files.map((file) =>
    `nameTests(${JSON.stringify(shown(file))});
await import(${JSON.stringify(file)});
`
  );
  const opened = new URL("opened_library.ts", import.meta.url);
  return `import { nameTests } from ${JSON.stringify(import.meta.url)};
import ${JSON.stringify(opened)};
${imports.join("")}`;
}

/** The path of a file as a person types it, from the root of this repository. */
function shown(file: string): string {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  return fileURLToPath(file).slice(root.length).replaceAll("\\", "/");
}

const register = Deno.test;

/**
 * From now on, the name of each test that is registered says its file.
 *
 * @param file Its file.
 */
export function nameTests(file: string): void {
  // A function of the runtime's own has more forms than our tests use.
  const named = (
    test: string | Deno.TestDefinition,
    fn?: Deno.TestDefinition["fn"],
  ) =>
    typeof test === "string"
      ? register(`${test} (${file})`, fn!)
      : register({ ...test, name: `${test.name} (${file})` });
  const value = Object.assign(named, register);
  Object.defineProperty(Deno, "test", { value, configurable: true });
}
