/**
 * A process that only loads a handler, to find out whether it can be used (role `@check`).
 *
 * @module
 */
import { loadService } from "../service/load.ts";

/**
 * Loads the handler and says `ok`, or `error: ` and why, as the last line on standard output.
 *
 * @param args The module's URL.
 * @returns Never.
 */
export async function run(args: readonly string[]): Promise<never> {
  let line = "ok";
  try {
    await loadService({ module: args[0] ?? "" });
  } catch (error) {
    line = `error: ${String((error as Error).message).replaceAll(/\s+/g, " ")}`;
  }
  Deno.stdout.writeSync(new TextEncoder().encode(`\n${line}\n`));
  return Deno.exit(0);
}
