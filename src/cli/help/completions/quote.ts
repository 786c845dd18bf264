/**
 * Words in a shell's script.
 *
 * @module
 */

/**
 * A text as one word of bash or zsh, whatever is in it.
 *
 * @param text The text.
 * @returns The word, in single quotes.
 */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A description as one line.
 *
 * @param text The description.
 * @returns The same without line ends.
 */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
