import { fileURLToPath } from "node:url";

/**
 * Runs a script of this folder in a process of its own. Test files share one, and whoever reaps what nobody else
 * reaps would reap the children of other tests.
 */
export async function runAlone(
  script: string,
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", path],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, stdout: text(stdout), stderr: text(stderr) };
}
