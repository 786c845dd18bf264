/**
 * Programs of other people that tests use where they are installed.
 *
 * @module
 */

/**
 * Whether a program is missing, which is said aloud: tests that need it are skipped.
 *
 * @param what What is skipped.
 * @param programs What it needs.
 * @returns Whether one of them is not found on PATH.
 */
export function missing(what: string, ...programs: string[]): boolean {
  const lacking = programs.filter((name) => !isInstalled(name));
  if (lacking.length === 0) return false;
  const line = `SKIPPED: ${what}: ${lacking.join(", ")} not installed\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return true;
}

function isInstalled(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
    try {
      return ((Deno.statSync(`${directory}/${name}`).mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}
