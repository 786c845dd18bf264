/**
 * JSON with comments and commas at the end of lists, as `deno.json` may have them.
 *
 * @module
 */

/** A text in quotes, a comment, or a comma with nothing but comments between it and the end of its list. */
const PARTS =
  /("(?:\\.|[^"\\\n])*")|\/\/[^\n]*|\/\*[^]*?\*\/|,(?=(?:\s|\/\/[^\n]*\n|\/\*[^]*?\*\/)*[}\]])/g;

/**
 * Reads it.
 *
 * @param text The text.
 * @returns What it says.
 * @throws {SyntaxError} When it is none; the place is that of the text.
 */
export function parseJsonc(text: string): unknown {
  const plain = text.replace(/^\ufeff/, " ").replaceAll(
    PARTS,
    (part, quoted?: string) => quoted ?? part.replaceAll(/[^\n]/g, " "),
  );
  return JSON.parse(plain);
}
