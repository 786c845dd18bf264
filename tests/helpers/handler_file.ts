/**
 * Handlers of the tests, as the server under test takes them: TypeScript from source, and what
 * `deno bundle` makes of it where the server is a compiled executable.
 *
 * @module
 */
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

/** Whether the server under test is a compiled executable. */
export const isCompiled = Deno.env.get("MPSERV_TEST_COMMAND") !== undefined;

/**
 * A handler's file.
 *
 * @param path Where it is, from the test.
 * @param test The test's `import.meta.url`.
 * @returns An absolute path, to give to `--handler`.
 */
export async function handlerFile(path: string, test: string): Promise<string> {
  const file = fileURLToPath(new URL(path, test));
  return isCompiled ? await bundle(file) : file;
}

/**
 * Bundles a TypeScript handler, as a compiled server's message advises.
 *
 * @param file The handler.
 * @returns The JavaScript, which is removed when this process ends.
 */
export async function bundle(file: string): Promise<string> {
  const directory = Deno.makeTempDirSync({ prefix: "mpserv-test-" });
  Deno.chmodSync(directory, 0o755); // whoever serves reads it, as another user, too
  addEventListener("unload", () => {
    Deno.removeSync(directory, { recursive: true });
  });
  const made = `${directory}/${basename(file, ".ts")}.mjs`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "-o", made, file],
    env: { DENO_TLS_CA_STORE: "system,mozilla" }, // it may fetch its bundler
    stdout: "null",
  }).output();
  if (code !== 0) {
    throw new Error(
      `Cannot bundle ${file}: ${new TextDecoder().decode(stderr)}`,
    );
  }
  return made;
}
