/**
 * What a person is told whose command line cannot be understood.
 *
 * @module
 */

/** A value that was refused: by which option, if it was one, and why, in commander's words. */
const REFUSED =
  /^error: (?:option '(?:-\w, )?(--[\w-]+)[^']*' argument|command-argument value) '([^]*)' is invalid(?: for argument '[^']*')?\. ([^]*)$/;
const CHOICES = /^Allowed choices are ([^]*)\.$/;

/**
 * Makes one line of what commander says: what was wrong, the value, and what to do.
 *
 * @param text Its words, which may be several lines.
 * @param command Whose help has more, such as `mpserv serve`.
 * @returns The line, without its end.
 */
export function explainUsage(text: string, command: string): string {
  const line = text.trim().replaceAll(/\s*\n\s*/g, " ");
  const [, option, value, why] = REFUSED.exec(line) ?? [];
  if (why === undefined) {
    return `${line.replace(/\.$/, "")}: see \`${command} --help\``;
  }
  const choices = CHOICES.exec(why)?.[1];
  const words = choices === undefined
    ? why
    : `Cannot use "${value}": want one of ${choices}`;
  return option === undefined
    ? `error: ${words}`
    : `error: ${option}: ${words}`;
}
