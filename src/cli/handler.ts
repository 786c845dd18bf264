/**
 * Finding out at start whether a handler can be used, before anything listens.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { keepForRuntime } from "../model/runtime.ts";
import { grantKind, permissionFlags } from "../permissions.ts";
import { reasonOf } from "../posix/reason.ts";
import { roleCommand, runtimeEnvironment } from "../program.ts";
import { EXIT_USAGE, UserError } from "./terminal.ts";

/**
 * The handler's module, tried out.
 *
 * @param path What was typed.
 * @param grants Permissions that it keeps.
 * @returns The module's URL.
 * @throws {UserError} When it is missing, has no default export to call, or does not load.
 */
export async function resolveHandler(
  path: string,
  grants: readonly string[],
): Promise<string> {
  const url = await findHandler(path, grants);
  await checkHandler(path, url, grants);
  return url;
}

/**
 * The handler's module.
 *
 * @param path What was typed.
 * @param grants Permissions that it keeps.
 * @returns The module's URL.
 * @throws {UserError} When it is missing, or a compiled server cannot serve with it.
 */
export async function findHandler(
  path: string,
  grants: readonly string[],
): Promise<string> {
  const info = await Deno.stat(path).catch((error: Error) => error);
  if (info instanceof Error || !info.isFile) {
    throw new UserError(`Cannot use handler "${path}": ${obstacle(info)}`);
  }
  if (Deno.build.standalone) refuseForCompiled(path, grants);
  return pathToFileURL(await Deno.realPath(path)).href;
}

/** Why there is no file to load. */
function obstacle(info: Deno.FileInfo | Error): string {
  if (!(info instanceof Error)) return "it is no file: give a module";
  return info instanceof Deno.errors.NotFound
    ? "no such file: check the path"
    : `${reasonOf(info)}: give one that you may read`;
}

/**
 * Loads the handler's module once, in a process of its own, as children will.
 *
 * @param path What was typed, for the message.
 * @param url The module's URL.
 * @param grants Permissions that it keeps.
 * @throws {UserError} When it has no default export to call, or does not load.
 */
export async function checkHandler(
  path: string,
  url: string,
  grants: readonly string[],
): Promise<void> {
  // It reads the module, which the handler itself may not have been granted.
  const others = grants.filter((grant) => grantKind(grant) !== "read");
  const line = roleCommand("@check", [url], {
    permissions: [
      ...permissionFlags(["read", ...others]),
      ...grants.includes("ffi") ? ["--allow-ffi"] : [],
    ],
  });
  const command = new Deno.Command(line.program, {
    args: line.args,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    clearEnv: true,
    env: { ...runtimeEnvironment(grants), NO_COLOR: "1" },
  });
  const { code, stdout } = await keepForRuntime(command.spawn()).output();
  const said = new TextDecoder().decode(stdout).trim().split("\n").at(-1);
  if (code === 0 && said === "ok") return;
  const why = said?.startsWith("error: ")
    ? said.slice(7)
    : `its process ended with code ${code}`;
  throw new UserError(`Cannot use handler "${path}": ${why}`);
}

function refuseForCompiled(path: string, grants: readonly string[]): void {
  if (/\.[cm]?tsx?$/.test(path)) {
    throw new UserError(
      `Cannot use handler "${path}": a compiled server takes JavaScript: make it with \`deno bundle -o handler.js ${path}\``,
      EXIT_USAGE,
    );
  }
  if (grants.includes("import")) {
    throw new UserError(
      'Cannot grant "import": a compiled server imports nothing over the network: put it into the handler with `deno bundle`',
      EXIT_USAGE,
    );
  }
  const scoped = grants.find((grant) => grant.includes("="));
  if (scoped === undefined) return;
  throw new UserError(
    `Cannot grant "${scoped}": a compiled server can grant whole kinds only: give ${
      scoped.split("=", 1)
    }, or run from source`,
    EXIT_USAGE,
  );
}
