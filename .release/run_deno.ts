/**
 * Deno, for what it gets from the npm registry.
 *
 * @module
 */
import { fail, say } from "./fail.ts";

/** How to run it. */
export interface RunOptions {
  /** Where. */
  readonly cwd: string;
  /** What our line starts with where it fails: `Cannot …`. */
  readonly failure: string;
  /** What our line ends with. */
  readonly hint?: string;
  /** Variables. */
  readonly env?: Record<string, string>;
}

/**
 * Runs it to its end; where it fails, what it said stands above our line.
 *
 * @param args The subcommand and its arguments.
 * @param options How.
 * @throws {ReleaseError} When it fails.
 */
export async function runDeno(
  args: string[],
  { cwd, failure, hint = "", env = {} }: RunOptions,
): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: {
      ...{ NO_COLOR: "1", RUST_BACKTRACE: "0", RUST_LIB_BACKTRACE: "0" },
      ...env,
    },
    stdin: "null",
    stdout: "null",
  }).output();
  if (code === 0) return;
  const said = new TextDecoder().decode(stderr).trim();
  if (said) say(said);
  fail(
    /certificate|UnknownIssuer/i.test(said)
      ? `${failure}: Deno ${Deno.version.deno} does not trust the certificate of the registry or of a proxy before it: set DENO_TLS_CA_STORE=system to trust what this system trusts`
      : `${failure}: deno ${args[0]} ended with code ${code}: see above${hint}`,
  );
}
