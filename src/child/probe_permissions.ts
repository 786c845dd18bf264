/**
 * What the test child of `probe.ts` may do beside what handlers may: said at the zygote's start, and given
 * up when it has done it.
 *
 * @module
 */

/** What the test child reads and runs. */
export const SHELL = "/bin/sh";

/**
 * Permissions of the probe, as narrow as they can be, beside those that handlers keep.
 *
 * @param grants What handlers keep.
 * @returns More grants, of the zygote.
 */
export function probeGrants(grants: readonly string[]): string[] {
  return ["read", "run"].filter((kind) => !grants.includes(kind))
    .map((kind) => `${kind}=${SHELL}`);
}

/**
 * Gives up what the probe alone needed, where handlers keep something of the same kind.
 *
 * @param grants What handlers keep.
 */
export function revokeProbePermissions(grants: readonly string[]): void {
  const scoped = (kind: string) =>
    grants.some((grant) => grant.startsWith(`${kind}=`));
  if (scoped("read") && !grants.includes(`read=${SHELL}`)) {
    Deno.permissions.revokeSync({ name: "read", path: SHELL });
  }
  if (scoped("run") && !grants.includes(`run=${SHELL}`)) {
    Deno.permissions.revokeSync({ name: "run", command: SHELL });
  }
}
