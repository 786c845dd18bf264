/**
 * How often a property is tried.
 *
 * @module
 */

/** The parameters of `fc.assert` of fast-check. */
export interface Runs {
  readonly numRuns: number;
  readonly seed?: number;
}

/**
 * The suite's runs, always the same ones; or as many as `MPSERV_TEST_RUNS` says, with a seed of their
 * own, which a failure names.
 *
 * @param numRuns How many in the suite.
 * @returns What to give to `fc.assert`.
 */
export function runs(numRuns: number): Runs {
  const asked = Deno.env.get("MPSERV_TEST_RUNS");
  return asked ? { numRuns: Number(asked) } : { numRuns, seed: 20261123 };
}
