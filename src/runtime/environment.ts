/**
 * Which variables of the server's environment reach the processes that strangers talk to: those that
 * a runtime or program needs to find its way, and those that a person granted by name. Secrets that
 * the server itself was started with stay with it.
 *
 * @module
 */

/** What a runtime of ours needs: where its files are, and how the person wants text and time. */
export const RUNTIME_VARIABLES: readonly string[] = [
  "PATH",
  "HOME",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "DENO_DIR",
  "LANG",
  "TZ",
  "NO_COLOR",
];

/** What a program finds: who it runs as, where, and in which language. */
export const PROGRAM_VARIABLES: readonly string[] = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "TMPDIR",
  "TERM",
  "TZ",
  "LANG",
  "LANGUAGE",
  "LC_*",
];

/**
 * Those variables that are named or granted.
 *
 * @param env Of which environment; of ours unless said otherwise.
 */
export function selectEnvironment(
  names: readonly string[],
  grants: readonly string[],
  env: Readonly<Record<string, string>> = Deno.env.toObject(),
): Record<string, string> {
  const granted = grants.flatMap((grant) => {
    if (grant === "env") return ["*"];
    return grant.startsWith("env=") ? [grant.slice("env=".length)] : [];
  });
  const wanted = [...names, ...granted];
  return Object.fromEntries(
    Object.entries(env).filter(([name]) =>
      wanted.some((pattern) => covers(pattern, name))
    ),
  );
}

function covers(pattern: string, name: string): boolean {
  return pattern.endsWith("*")
    ? name.startsWith(pattern.slice(0, -1))
    : name === pattern;
}
