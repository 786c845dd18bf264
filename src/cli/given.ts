/**
 * Reads the arguments and variables of this process byte by byte. The runtime gives them as text, in which it
 * replaces or drops bytes that are not UTF-8, and adds its own directory to PATH.
 *
 * @module
 */
import { encodeBytes, readProcStrings } from "../posix/proc.ts";
import { MANAGER_VARIABLES } from "../runtime/roles.ts";
import { EXIT, UserError } from "./terminal.ts";

/** The character that the runtime puts in place of bytes that are not UTF-8. */
const ALTERED = "\ufffd";
/** Commands that start others in the same way, and say so by these variables: `deno task`, and npm. */
const WRAPPERS = ["INIT_CWD", "npm_execpath"];
/** Shims that the runtime puts first in PATH where there is no Node. */
const SHIMS = /\/node_compat_bin$/;

/**
 * The command line as it was typed. Throws `UserError` when the typed bytes are lost, or a word that is not a
 * program's is not UTF-8.
 */
export function givenWords(args: readonly string[]): string[] {
  const given = givenArguments(args);
  const at = given[0] === "serve" ? given.indexOf("--") : -1;
  const own = at < 0 ? given : given.slice(0, at);
  const wrong = own.find((word) => !word.isWellFormed());
  if (wrong === undefined) return given;
  throw new UserError(
    `Cannot use the argument "${wrong}": it is not UTF-8: only the arguments of a program after -- may be other bytes`,
    EXIT.usage,
  );
}

function givenArguments(words: readonly string[]): string[] {
  if (!words.some((word) => word.includes(ALTERED))) return [...words];
  const all = strings("/proc/self/cmdline") ?? [];
  const given = all.slice(Math.max(0, all.length - words.length));
  return words.map((word, i) => {
    if (!word.includes(ALTERED)) return word;
    const original = given[i];
    const isIt = original !== undefined &&
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(
          encodeBytes(original),
        ) === word;
    // Another command may have altered them on their way.
    const isAltered = isIt && original.includes(ALTERED) &&
      WRAPPERS.some((name) => Deno.env.get(name) !== undefined);
    if (isIt && !isAltered) return original;
    throw new UserError(
      `Cannot use the argument "${word}": npx or deno task replaced its bytes that are not UTF-8: start mpserv directly`,
      EXIT.usage,
    );
  });
}

/** The environment as it was given, without the variables of a service manager. */
export function givenEnvironment(): Record<string, string> {
  const variables = strings("/proc/self/environ");
  const env = variables === null
    ? withoutShims(Deno.env.toObject())
    : Object.fromEntries(
      variables.map((text) => text.split(/=(.*)/s, 2)).filter(([name, value]) =>
        name !== "" && value !== undefined
      ),
    );
  for (const name of MANAGER_VARIABLES) delete env[name];
  return env;
}

function withoutShims(env: Record<string, string>): Record<string, string> {
  const { PATH, ...others } = env;
  if (PATH === undefined || !/node_compat_bin/.test(PATH)) return env;
  const path = PATH.split(":").filter((directory) => !SHIMS.test(directory));
  return path.length === 0 ? others : { ...others, PATH: path.join(":") };
}

/** Null where there is no such file: on macOS, or where this process may not read its own. */
function strings(path: string): string[] | null {
  try {
    return readProcStrings(path);
  } catch {
    return null;
  }
}
