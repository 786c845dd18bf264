/**
 * The command as a person runs it: from source, or the executable that MPSERV_TEST_COMMAND names.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { DEADLINE } from "./testing.ts";
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
// All flags are those of the task `serve` in deno.json: the tests show that they are enough.
const PERMISSIONS = ["ffi", "net", "run", "read", "write", "env"];

/**
 * The command line of `mpserv ARGS`.
 *
 * @param args What comes after the program's name.
 * @returns Program and arguments.
 */
export function commandLine(args: readonly string[]): [string, ...string[]] {
  const compiled = Deno.env.get("MPSERV_TEST_COMMAND");
  if (compiled) return [compiled, ...args];
  const flags = PERMISSIONS.map((name) => `--allow-${name}`);
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    ...flags,
    "--conditions=browser",
    MAIN,
    ...args,
  ];
}

/**
 * Variables of every command: its control sockets are apart from those of a person's servers, and of
 * other tests that run at the same time.
 *
 * @returns What to give to `Deno.Command`.
 */
export function commandEnvironment(): Record<string, string> {
  if (runtimeDirectory === "") {
    runtimeDirectory = Deno.makeTempDirSync({ prefix: "mpserv-run-" });
    addEventListener("unload", () => {
      Deno.removeSync(runtimeDirectory, { recursive: true });
    });
  }
  return { XDG_RUNTIME_DIR: runtimeDirectory };
}

let runtimeDirectory = "";

/** The result of a command. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface RunOptions {
  /** Other words before the command line, such as `setpriv --reuid 65534`. */
  readonly through?: readonly string[];
  /** Variables beside those of {@linkcode commandEnvironment}. */
  readonly env?: Record<string, string>;
}

/**
 * Runs `mpserv ARGS` to its end.
 *
 * @param args What comes after the program's name.
 * @param options How.
 * @returns What it left behind.
 */
export async function runCommand(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const line = [...options.through ?? [], ...commandLine(args)];
  const [program, ...rest] = line as [string, ...string[]];
  const output = await new Deno.Command(program, {
    args: rest,
    stdin: "null",
    env: { ...commandEnvironment(), ...options.env },
    signal: AbortSignal.timeout(DEADLINE), // one that serves instead of failing is ended
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code: output.code, stdout: stdout!, stderr: stderr! };
}

/**
 * Words that run a command with a lower limit of descriptors.
 *
 * @param limit How many.
 * @returns What goes before the command line.
 */
export function withDescriptors(limit: number): string[] {
  return ["/bin/sh", "-c", `ulimit -n ${limit}; exec "$@"`, "sh"];
}
