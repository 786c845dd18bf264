/**
 * `--sandbox`, as it is typed and checked.
 *
 * @module
 */
import { Option } from "@commander-js/extra-typings";
import { SANDBOX_LEVELS } from "../child/sandbox_level.ts";
import { grantKind, type PermissionKind } from "../permissions.ts";
import type { SandboxOptions, Served } from "./sandbox.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";

/** `--sandbox`. */
export const sandboxOption = () =>
  new Option(
    "--sandbox <level>",
    "system calls that are refused (default: strict for built-in services in fork and pool, else default)",
  ).choices(SANDBOX_LEVELS);

/** Permissions that are of use without a file, a socket or a process. */
const WITHIN_STRICT: readonly PermissionKind[] = ["env", "ffi"];

/**
 * Checks the level against what serves.
 *
 * @param options What was typed.
 * @param served What serves.
 * @throws {UserError} When they do not go together.
 */
export function checkSandbox(
  { sandbox }: SandboxOptions,
  { program, grant }: Served,
): void {
  if (sandbox !== "strict") return;
  const refuse = (what: string, why: string) => {
    throw new UserError(
      `Cannot use --sandbox strict with ${what}: ${why}: give --sandbox default`,
      EXIT_USAGE,
    );
  };
  if (program) refuse("a program", "it could not even be run");
  const other = grant?.find((one) => !WITHIN_STRICT.includes(grantKind(one)!));
  if (other === undefined) return;
  refuse(`--grant ${other}`, "it allows no file, socket or process");
}
