/**
 * The process models by name.
 *
 * @module
 */

/** What can be asked for. `auto` is `fork` where it works, and `spawn` elsewhere. */
export const MODEL_NAMES = ["auto", "spawn", "fork", "pool"] as const;
/** One of {@linkcode MODEL_NAMES}. */
export type ModelName = typeof MODEL_NAMES[number];
