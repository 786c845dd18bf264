/**
 * What each child of a zygote puts up around itself when it is born, beside what it has of the zygote.
 *
 * @module
 */

/** Made ready in the zygote, where putting it up is rehearsed: until it is armed the kernel refuses it. */
export interface Fence {
  /** From here on it is real. */
  arm(): void;
  /**
   * It can be rehearsed again.
   *
   * @returns Whether it was armed.
   */
  disarm(): boolean;
  /**
   * Puts it up around this process.
   *
   * @throws {PosixError} When the system refuses.
   */
  putUp(): void;
}
