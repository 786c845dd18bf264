/**
 * Libraries in C that a test compiles, with `gcc`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

/**
 * Compiles one.
 *
 * @param path The source, from the test.
 * @param options The test's `import.meta.url`, the directory for the library, and macros whose values
 *   are strings.
 * @returns Where the library is.
 */
export async function compileLibrary(
  path: string,
  { test, directory, macros = {} }: {
    test: string;
    directory: string;
    macros?: Readonly<Record<string, string>>;
  },
): Promise<string> {
  const source = fileURLToPath(new URL(path, test));
  const library = `${directory}/library.so`;
  const defined = Object.entries(macros).map(([name, value]) =>
    `-D${name}=${JSON.stringify(value)}`
  );
  const { success } = await new Deno.Command("gcc", {
    args: ["-shared", "-fPIC", "-O1", ...defined, "-o", library, source],
  }).output();
  assert.ok(success, source);
  return library;
}
