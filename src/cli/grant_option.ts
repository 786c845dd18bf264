/**
 * `--grant`: what a connection's process may do that it could not do without being asked for.
 *
 * @module
 */
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { grantKind, PERMISSION_KINDS } from "../permissions.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";

/** `--grant`. */
export const grantOption = () =>
  new Option(
    "--grant <list>",
    "what a handler may do, such as net,read=/srv; env=NAME: a variable that it, or a program, finds",
  ).argParser(grants);

/** `net=a:1,read=/srv` as a list; a value may hold commas only by being given twice. */
function grants(text: string, before: string[] | undefined): string[] {
  const list = text.split(",").map((grant) => grant.trim());
  for (const grant of list) {
    if (grant.startsWith("ffi=")) {
      throw new InvalidArgumentError(
        `Cannot grant "${grant}": whoever may call one library may do anything: give ffi alone`,
      );
    }
    if (grantKind(grant) !== undefined && !grant.endsWith("=")) continue;
    throw new InvalidArgumentError(
      `Cannot grant "${grant}": want one of ${
        PERMISSION_KINDS.join(", ")
      }, alone or as kind=value`,
    );
  }
  return [...before ?? [], ...list];
}

/**
 * A grant whose path does not depend on a directory that may be removed.
 *
 * @param grant Such as `read=quotes.txt`.
 * @returns The same, from the root on; any other grant as it is.
 */
export function inFull(grant: string): string {
  const [kind, path] = grant.split(/=(.*)/s, 2);
  if (path === undefined || path.startsWith("/")) return grant;
  const isPath = kind === "read" || kind === "write" ||
    kind === "run" && path.includes("/"); // else it is looked for in PATH
  return isPath ? `${kind}=${Deno.cwd()}/${path}` : grant;
}

/**
 * Checks grants against what serves.
 *
 * @param list What was granted; undefined when nothing was.
 * @param to Who gets it: a handler, or a program's command line; undefined for a built-in service.
 * @throws {UserError} When it has no use for them.
 */
export function checkGrants(
  list: readonly string[] | undefined,
  to: "handler" | readonly string[] | undefined,
): void {
  if (list === undefined || to === "handler") return;
  if (to === undefined) {
    throw new UserError(
      "Cannot use --grant without --handler or a program: nothing else needs permissions",
      EXIT_USAGE,
    );
  }
  const other = list.find((grant) => grantKind(grant) !== "env");
  if (other === undefined) return;
  throw new UserError(
    `Cannot grant "${other}" to a program: it may do what the system lets its user do: give env or env=NAME`,
    EXIT_USAGE,
  );
}
