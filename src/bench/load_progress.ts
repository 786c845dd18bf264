/**
 * How far a benchmark is.
 *
 * @module
 */

/** Says how far a benchmark is. */
export interface LoadProgress {
  /** Shows it. */
  show(fraction: number, text: string): void;
}
