/**
 * How tight the sandbox of connection processes is, as the parent asks for it.
 *
 * @module
 */

/** How much is refused. */
export const SANDBOX_LEVELS = ["off", "default", "strict"] as const;
/** One of {@linkcode SANDBOX_LEVELS}. */
export type SandboxLevel = typeof SANDBOX_LEVELS[number];

/** What a parent asks for. */
export interface Sandbox {
  /** How much is refused. */
  readonly level: SandboxLevel;
  /** Whether a person asked for it, so that less will not do. */
  readonly isWanted: boolean;
  /** Whether the kernel filters system calls; the rest is done without. */
  readonly hasFilters: boolean;
}
