/**
 * A process that only loads a handler, to find out whether it can be used (role `@check`).
 *
 * @module
 */
import { placeOutside } from "./describe_error.ts";
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
    line = `error: ${explain(error as Error)}`;
  }
  Deno.stdout.writeSync(new TextEncoder().encode(`\n${line}\n`));
  return Deno.exit(0);
}

/** What a module throws says where; what the runtime finds wrong with it has the place in its words. */
function explain(error: Error): string {
  const words = String(error.message).replaceAll(/\s+/g, " ");
  const place = placeOutside(error);
  return place === undefined || words.includes(place)
    ? words
    : `${words} at ${place}`;
}

if (import.meta.main) await run(Deno.args);
