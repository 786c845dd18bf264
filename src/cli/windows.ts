/**
 * Windows has no fork, no descriptor passing and no half-close by descriptor: a clear refusal.
 *
 * @module
 */

/** Says in one line that this program needs a POSIX system, and ends with exit code 1. */
export function refuseWindows(): void {
  const line =
    "Cannot run on Windows: mpserv needs a POSIX system: use Linux, macOS or WSL\n";
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.exit(1);
}
