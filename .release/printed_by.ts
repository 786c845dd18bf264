/**
 * Programs that are run for what they print.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { fail } from "./fail.ts";
import { ROOT } from "./stage.ts";

/**
 * Runs a program in the project's root to its end.
 *
 * @param program The program.
 * @param args Its arguments.
 * @returns What it wrote to standard output.
 * @throws {ReleaseError} When it cannot be run, or fails.
 */
export async function printedBy(
  program: string,
  ...args: string[]
): Promise<string> {
  const command = new Deno.Command(program, {
    args,
    cwd: fileURLToPath(ROOT),
    stdin: "null",
    stderr: "inherit",
  });
  const why = await command.output().then(
    ({ code, stdout }) =>
      code === 0
        ? { text: new TextDecoder().decode(stdout) }
        : `it ended with code ${code}`,
    (error: Error) => error.message,
  );
  if (typeof why !== "string") return why.text;
  fail(`Cannot run ${[program, ...args].join(" ")}: ${why}`);
}
