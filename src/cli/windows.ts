/**
 * Windows has no fork, no descriptor passing and no half-close by descriptor: a clear refusal.
 *
 * @module
 */

/**
 * Says in one line that this program needs a POSIX system, and ends with exit code 1.
 */
export function refuseWindows(name: string): void {
  const line =
    `Cannot run on Windows: ${name} needs a POSIX system: use WSL (https://learn.microsoft.com/windows/wsl), Linux or macOS\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  Deno.exit(1);
}
