/**
 * Scales of plots: where a value lies between the two ends of an axis, and which values are named.
 *
 * @module
 */

/** A value that an axis names. */
export interface Tick {
  /** The value. */
  readonly value: number;
  /** How it is written. */
  readonly text: string;
}

/** An axis's measure. */
export interface Scale {
  /**
   * Where a value lies.
   *
   * @returns 0 at one end, 1 at the other.
   */
  at(value: number): number;
  /** The values that are named, in order. */
  readonly ticks: readonly Tick[];
}

/** From 0 to at least a value, in steps that are easy to read. */
export function linearScale(most: number, steps = 5): Scale {
  const rough = Math.max(most, 1e-9) / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power *
    [1, 2, 2.5, 5, 10].find((it) => it * power >= rough * 0.999)!;
  const count = Math.ceil(most / step - 1e-9) || 1;
  const end = step * count;
  return {
    at: (value) => clamp(value / end),
    ticks: Array.from({ length: count + 1 }, (_, i) => tick(i * step)),
  };
}

/** Powers of ten from below the smallest value to above the largest. */
export function logScale(least: number, most: number): Scale {
  const from = Math.floor(Math.log10(least) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(most) - 1e-9));
  return {
    at: (value) => clamp((Math.log10(value) - from) / (to - from)),
    ticks: Array.from(
      { length: to - from + 1 },
      (_, i) => tick(10 ** (from + i)),
    ),
  };
}

/** Percentiles, with as much room from 90 to 99 as from 99 to 99.9. */
export function percentileScale(most: number): Scale {
  const nines = (percent: number) =>
    -Math.log10(Math.max(1e-12, 1 - percent / 100));
  const named = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];
  const end = Math.max(nines(most), 1);
  return {
    at: (percent) => clamp(nines(percent) / end),
    ticks: named.filter((percent) => nines(percent) <= end + 1e-9)
      .map((value) => ({ value, text: `${value} %` })),
  };
}

function tick(value: number): Tick {
  return { value, text: readable(value) };
}

/**
 * A number as an axis or a table shows it.
 *
 * @returns Such as `0.05`, `12.5`, `20,000`, `2.5 M`.
 */
export function readable(value: number): string {
  if (value >= 1e6) return `${round(value / 1e6)} M`;
  return round(value);
}

/** Three digits, or all before the point. */
function round(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
