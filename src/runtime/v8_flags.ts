/**
 * How V8 runs where processes are forked.
 *
 * @module
 */

/**
 * The flags of a zygote, and so of the executable that it is when it was compiled. No threads of V8's
 * own: they would not exist in a forked child. No Maglev: what is warm in the zygote would be compiled
 * by it in every child anew, on its only thread; what is hot, TurboFan still takes, after as many calls
 * as Maglev would have.
 */
export const ZYGOTE_V8_FLAGS: readonly string[] = [
  "--single-threaded",
  "--no-maglev",
  "--invocation-count-for-turbofan=400",
  "--minimum-invocations-after-ic-update=100",
];

/**
 * Further flags of a zygote whose service is our own, so that all that children run is compiled while it
 * is rehearsed, after few calls. A person's handler is not called before there is a client: with these
 * flags, each child would compile what the handler calls a few times.
 */
export const EAGER_V8_FLAGS: readonly string[] = [
  "--invocation-count-for-turbofan=20",
  "--minimum-invocations-after-ic-update=10",
];

/**
 * The flags of a process that becomes a program with a limit of memory, which is less than the runtime has:
 * a thread of V8's own that wanted some at that moment would end it.
 */
export const LIMITED_V8_FLAGS: readonly string[] = ["--single-threaded"];
