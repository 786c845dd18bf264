/**
 * Messages of a command to a person: one line on standard error, and an exit code.
 *
 * @module
 */
import { reasonOf } from "../posix/reason.ts";

export const EXIT = {
  refused: 1,
  usage: 2,
  /** The output has no reader any more; a shell reports the same for a program that SIGPIPE killed. */
  pipe: 128 + 13,
} as const;

/** An error that a person caused or can mend; its message is the line that is shown. */
export class UserError extends Error {
  /** The exit code: one of {@linkcode EXIT}. */
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.refused) {
    super(message);
    this.name = "UserError";
    this.exitCode = exitCode;
  }
}

/** Writes a whole line to standard error. If the system refuses, nothing can be reported. */
export function say(line: string): void {
  try {
    writeAll(Deno.stderr, line + "\n");
  } catch {
    // The exit code still reports the result.
  }
}

/** Writes all of it to standard output, unless its reader is gone. Throws `UserError` when the system refuses. */
export function print(text: string): void {
  try {
    writeAll(Deno.stdout, text);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new UserError(`Cannot write to standard output: ${reasonOf(error)}`);
  }
}

function writeAll(stream: typeof Deno.stdout, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) {
    sent += stream.writeSync(bytes.subarray(sent));
  }
}

/**
 * A line without characters that could tear it, command a terminal, or show other text than there is: control
 * characters, ends of lines and paragraphs, and those that change the direction of writing. Returns the same with
 * escapes such as `\u001b` in their place, which JSON reads as well.
 */
export function visible(line: string): string {
  return line.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Runs a command to its exit code, and reports an error that a person can fix in one line. */
export async function outcome(
  command: () => Promise<number>,
  tell: (line: string) => void = say,
): Promise<number> {
  try {
    return await command();
  } catch (error) {
    const { message } = error as Error;
    const isQuiet = error instanceof UserError && message === "";
    if (!isQuiet) tell(visible(`error: ${message}`));
    return error instanceof UserError ? error.exitCode : EXIT.refused;
  }
}
