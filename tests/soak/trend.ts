/**
 * Whether something grows.
 *
 * @module
 */

/** A measurement. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  /** What was measured. */
  readonly value: number;
}

/**
 * How much values grow from the first to the last, by the median of the slopes between all pairs (Theil
 * and Sen): garbage collection, bursts and single faults do not move it. It is the slope of the half that grows
 * less: what leaks grows in both, and a heap takes another size once.
 *
 * @param samples In the order of time.
 * @returns In the values' unit; 0 when a half has fewer than two.
 */
export function growth(samples: readonly Sample[]): number {
  if (samples.length === 0) return 0;
  const middle = samples.length >> 1;
  const halves = [samples.slice(0, middle), samples.slice(middle)];
  const length = samples.at(-1)!.at - samples[0]!.at;
  return Math.min(...halves.map(slope)) * length;
}

function slope(samples: readonly Sample[]): number {
  const slopes: number[] = [];
  for (const [i, a] of samples.entries()) {
    for (const b of samples.slice(i + 1)) {
      if (b.at > a.at) slopes.push((b.value - a.value) / (b.at - a.at));
    }
  }
  if (slopes.length === 0) return 0;
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  return slopes.length % 2 === 1
    ? slopes[middle]!
    : (slopes[middle - 1]! + slopes[middle]!) / 2;
}
