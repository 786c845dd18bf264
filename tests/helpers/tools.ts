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

/** Whether a program is found on PATH. */
export function isInstalled(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((directory) => {
    try {
      return ((Deno.statSync(`${directory}/${name}`).mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}

let interpreter = "";

/**
 * The interpreter itself of python3: what is found on PATH may be a script that looks for it, which costs ten times as
 * much as what it starts.
 *
 * @returns Its path.
 */
export function python(): string {
  if (interpreter === "") {
    const { stdout } = new Deno.Command("python3", {
      args: ["-c", "import sys; print(sys.executable)"],
    }).outputSync();
    interpreter = new TextDecoder().decode(stdout).trim() || "python3";
  }
  return interpreter;
}
