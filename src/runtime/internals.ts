/**
 * What the runtime keeps under `Deno[Deno.internal]`: operations of its own, which ask for no permission as
 * they are meant for its own code alone. A person's module finds them no more.
 *
 * @module
 */

// deno-lint-ignore no-explicit-any
const runtime = Deno as any;

/** What was there when this module was loaded. */
// deno-lint-ignore no-explicit-any
export const internals: any = runtime[runtime.internal] ?? {};

/** Takes them away from every module that is loaded from here on. */
export function hideInternals(): void {
  delete runtime[runtime.internal];
}

/**
 * Whether a module of Node's may have been loaded by now.
 *
 * @returns False only when none was: Deno 2.7 does not say, and has them all in its snapshot.
 */
export function mayHaveLoadedNode(): boolean {
  return !("__nodeBootstrapArgs" in internals) ||
    internals.__nodeProcessBootstrapped === true;
}
