/**
 * Finds a handler's module, before anything listens.
 *
 * @module
 */
import { reasonOf } from "../../posix/reason.ts";
import { grantKind } from "../../runtime/permissions.ts";
import type { ChildOptions } from "../../wire/child_options.ts";
import { absolute } from "../options.ts";
import { EXIT, UserError } from "../terminal.ts";

const { pathToFileURL } = await import("node:url");

/** The options about the handler that processes receive. */
export type HandlerOptions = Pick<ChildOptions, "service" | "grants">;

/** The handler's module. Throws `UserError` when it is missing, or a compiled server cannot serve with it. */
export async function findHandler(
  path: string,
  grants: readonly string[],
): Promise<string> {
  const info = await Deno.stat(path).catch((error: Error) => error);
  if (info instanceof Error || !info.isFile) {
    throw new UserError(
      `Cannot use handler "${path}": ${obstacle(info, absolute(path))}`,
    );
  }
  if (Deno.build.standalone) refuseForCompiled(path, grants);
  return pathToFileURL(await Deno.realPath(path)).href;
}

/** Why there is no file to load. */
function obstacle(info: Deno.FileInfo | Error, tried: string): string {
  if (!(info instanceof Error)) return "it is not a file: give a module";
  return info instanceof Deno.errors.NotFound
    ? `no such file as "${tried}": check the path`
    : `${reasonOf(info)}: give one that you may read`;
}

function refuseForCompiled(path: string, grants: readonly string[]): void {
  const isData = /\.(json|wasm)$/.test(path);
  if (isData || /\.([cm]?tsx?|jsx)$/.test(path)) {
    const advice = isData
      ? "write a handler that imports it"
      : `make it with \`deno bundle -o handler.js ${path}\``;
    throw new UserError(
      `Cannot use handler "${path}": a compiled server accepts only JavaScript: ${advice}`,
      EXIT.usage,
    );
  }
  const network = grants.find((grant) => grantKind(grant) === "import");
  if (network !== undefined) {
    throw new UserError(
      `Cannot grant "${network}": a compiled server imports nothing over the network: include it in the handler with \`deno bundle\``,
      EXIT.usage,
    );
  }
  const scoped = grants.find((grant) => grant.includes("="));
  if (scoped === undefined) return;
  throw new UserError(
    `Cannot grant "${scoped}": a compiled server can grant whole kinds only: give ${
      scoped.split("=", 1)
    }, or run from source`,
    EXIT.usage,
  );
}

/** Refuses options of a project if the server ignores projects. Throws `UserError` when something was. */
export function refuseProject(
  { config, unstable }: {
    readonly config?: string | undefined;
    readonly unstable?: readonly string[] | undefined;
  },
): void {
  if (unstable === undefined && (config === undefined || config === "none")) {
    return;
  }
  const option = unstable === undefined
    ? "--config"
    : `--unstable-${unstable[0]}`;
  throw new UserError(
    `Cannot use ${option}: a compiled server ignores Deno projects: pass it to \`deno bundle\`, or run from source`,
    EXIT.usage,
  );
}
