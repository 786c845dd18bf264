/**
 * How far a benchmark is.
 *
 * @module
 */

/** Says how far a benchmark is. */
export interface LoadProgress {
  /**
   * Shows it.
   *
   * @param fraction How much is done, 0 to 1.
   * @param text What else there is to say.
   */
  show(fraction: number, text: string): void;
}
