/**
 * Libraries in C that a test compiles, with `gcc`, and files that they have mapped.
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

/**
 * Changes a file that a process has mapped: never shorter for a moment, which would end that process.
 *
 * @param path The file; made if it is not there.
 * @param bytes Its content, always as long.
 */
export function overwrite(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, create: true });
  file.writeSync(bytes);
}
