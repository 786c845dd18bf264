/** Tries to get at modules: each line is an expression of a promise; its answer is what came of it. */
import { createRequire } from "node:module";
import type { Connection } from "../../../src/mod.ts";

const encoder = new TextEncoder();

export default async function tryAll(connection: Connection): Promise<void> {
  const lines = connection.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const text of lines) {
    const whole = (rest + text).split("\n");
    rest = whole.pop()!;
    for (const line of whole) {
      await connection.write(encoder.encode(`${await attempt(line)}\n`));
    }
  }
}

async function attempt(expression: string): Promise<string> {
  try {
    // Not eval: its code would be this module's.
    const code = new Function("importer", "require", `return ${expression}`);
    const importer = (specifier: string) => import(specifier);
    const found = await code(importer, createRequire("file:///anywhere.js"));
    const names = Object.keys(found ?? {});
    return names.length === 0 ? "nothing" : `REACHED ${names.join()}`;
  } catch (error) {
    return `refused: ${String(error).replaceAll(/\s+/g, " ").slice(0, 200)}`;
  }
}
