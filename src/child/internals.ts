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
