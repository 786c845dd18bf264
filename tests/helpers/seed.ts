/**
 * The seed's C programs, beside this checkout where it has them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../../shared/seed/", import.meta.url));

/**
 * Compiles one of them.
 *
 * @param name `echo_mpserv` or `echo_mpclient`.
 * @param into The directory for the executable.
 * @returns Its path; null where there is no source or no C compiler.
 */
export async function compileSeed(
  name: string,
  into: string,
): Promise<string | null> {
  const program = `${into}/${name}`;
  try {
    const args = ["-O2", "-w", `${FOLDER}${name}.c`, "-o", program];
    const { success } = await new Deno.Command("gcc", { args, stderr: "null" })
      .output();
    return success ? program : null;
  } catch {
    return null;
  }
}
