/**
 * Random numbers that can be had again: a soak tells its seed.
 *
 * @module
 */

/** A source of numbers from 0 to below 1. */
export type Random = () => number;

/** The generator "mulberry32": 32 bits of state, which is plenty to choose visits and victims. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** One of several; undefined when there is none. */
export function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[Math.floor(random() * from.length)];
}

/** One of several, each as often as its weight says. */
export function pickWeighted<T>(
  random: Random,
  from: readonly (readonly [weight: number, T])[],
): T {
  let at = random() * from.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, one] of from) if ((at -= weight) < 0) return one;
  return from.at(-1)![1];
}
