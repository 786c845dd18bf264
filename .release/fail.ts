/**
 * What a person reads.
 *
 * @module
 */

/** Something that a person can put right: one line. */
export class ReleaseError extends Error {}

/**
 * Gives up.
 *
 * @param message What failed, and what to do.
 * @throws {ReleaseError} Always.
 */
export function fail(message: string): never {
  throw new ReleaseError(message);
}

/**
 * Writes a line to standard error.
 *
 * @param line The line.
 */
export function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}

/**
 * Does something, and says in one line what a person can put right; ends the process with code 1 then.
 *
 * @param work What to do.
 */
export async function run(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    say(error.message);
    Deno.exit(1);
  }
}
