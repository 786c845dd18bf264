/**
 * What the runtime keeps for a page of the web, on disk and without a permission: `localStorage` and
 * `caches`, and with `--unstable-kv` the database of `Deno.openKv()`. Here it would be one for all handlers
 * and all their clients: what one leaves the next one finds, also after a restart.
 *
 * @module
 */

/**
 * Takes it from this process, unless it may read and write every file. Under a sandbox the system keeps it
 * from workers, too, whose globals are their own.
 */
export function takeStorage(grants: readonly string[]): void {
  if (grants.includes("read") && grants.includes("write")) return;
  for (const name of ["localStorage", "sessionStorage", "caches"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  Reflect.deleteProperty(Deno, "openKv");
}
