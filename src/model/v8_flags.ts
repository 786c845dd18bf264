/**
 * How V8 runs where processes are forked.
 *
 * @module
 */

/**
 * The flags of a zygote, and so of the executable that it is when it was compiled. No threads of V8's
 * own: they would not exist in a forked child. All that a child runs is optimized by TurboFan in the
 * zygote, after few calls, and by nothing else: optimized code writes no counters and no feedback, each
 * of which would cost every child a page, and calls C without detours; what is left to be compiled
 * later would be compiled in every child anew, on its only thread.
 */
export const ZYGOTE_V8_FLAGS: readonly string[] = [
  "--single-threaded",
  "--no-maglev",
  "--invocation-count-for-turbofan=20",
  "--minimum-invocations-after-ic-update=10",
];
