/**
 * The permissions of a process that serves strangers: none except the granted ones.
 *
 * What the runtime keeps under `Deno[Deno.internal]`: operations of its own, which ask for no permission as
 * they are meant for its own code alone. A person's module finds them no more.
 *
 * @module
 */
import { startsWith, uncurry } from "../posix/intrinsics.ts";

/** The kinds of permission, by Deno's names. */
export const PERMISSION_KINDS = [
  "net",
  "read",
  "write",
  "env",
  "run",
  "sys",
  "ffi",
  "import",
] as const;
export type PermissionKind = typeof PERMISSION_KINDS[number];

/**
 * The kind of a grant. `grant`: such as `net` or `read=/srv/data`. Returns `net`, `read`; undefined when it is no
 * permission of Deno's.
 */
export function grantKind(grant: string): PermissionKind | undefined {
  for (let i = 0; i < PERMISSION_KINDS.length; i++) {
    const kind = PERMISSION_KINDS[i]!;
    if (grant === kind || startsWith(grant, `${kind}=`)) return kind;
  }
  return undefined;
}

/**
 * Grants as Deno's flags: `net=db.example:5432` as `--allow-net=db.example:5432`. Several of one kind
 * become one flag, since Deno 2.7 takes some flags only once.
 */
export function permissionFlags(grants: readonly string[]): string[] {
  return PERMISSION_KINDS.filter((kind) => kind !== "ffi").flatMap((kind) => {
    if (grants.includes(kind)) return [`--allow-${kind}`];
    const parts = grants.filter((grant) => grant.startsWith(`${kind}=`))
      .map((grant) => grant.slice(kind.length + 1));
    return parts.length === 0 ? [] : [`--allow-${kind}=${parts.join()}`];
  });
}

/**
 * Gives up every Deno permission of this process that was not granted, for good. Symbols that were opened before go
 * on working; whatever needs a pointer must have been built before. `grants`: what is kept; nothing unless said
 * otherwise.
 */
export function revokePermissions(grants: readonly string[] = []): void {
  for (let i = 0; i < PERMISSION_KINDS.length; i++) {
    const name = PERMISSION_KINDS[i]!;
    if (isGranted(grants, name)) continue;
    // A module may have been loaded that would answer in the runtime's place.
    revoke(permissions, { __proto__: null, name } as never);
  }
}

const { permissions } = Deno;
const revoke = uncurry(Deno.Permissions.prototype, "revokeSync");

function isGranted(grants: readonly string[], name: PermissionKind): boolean {
  for (let i = 0; i < grants.length; i++) {
    if (grantKind(grants[i]!) === name) return true;
  }
  return false;
}

// deno-lint-ignore no-explicit-any
const runtime = Deno as any;

/** The runtime's internals when this module was loaded. */
// deno-lint-ignore no-explicit-any
export const internals: any = runtime[runtime.internal] ?? {};

/** Takes them away from every module that is loaded from here on. */
export function hideInternals(): void {
  delete runtime[runtime.internal];
}

/**
 * Whether a module of Node's may have been loaded by now. Returns false only when none was: Deno 2.7 does not say,
 * and has them all in its snapshot.
 */
export function mayHaveLoadedNode(): boolean {
  return !("__nodeBootstrapArgs" in internals) ||
    internals.__nodeProcessBootstrapped === true;
}
