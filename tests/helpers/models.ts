/**
 * The process models that tests run under.
 *
 * @module
 */

/** A process model to run a test under. */
export type Model = string;

const CORES = navigator.hardwareConcurrency;
const WORKERS = 4 * CORES;
/** A pool's zygote and its workers. */
const POOL = 1 + WORKERS;

/** What processes of a name there are. */
export interface Waiting {
  readonly count: number;
  readonly comm: string;
}

const ZYGOTE = "mpserv:zygote", CONNECTION = "mpserv:conn";

/**
 * How each model is asked for, and how many processes at most wait without a connection, and at least
 * where `args` do not say otherwise. One zygote is enough for most tests; `auto` has as many as there are
 * processors. A pool that cannot fork has no zygote, and as many workers.
 */
export const MODELS: Readonly<
  Record<Model, { args: string[]; idle: number; least: Waiting }>
> = {
  auto: {
    args: [], // whatever it is given in `args`
    idle: Math.max(16, POOL),
    least: { count: 0, comm: CONNECTION },
  },
  spawn: {
    args: ["--model", "spawn"],
    idle: 2,
    least: { count: 2, comm: CONNECTION },
  },
  fork: {
    args: ["--model", "fork", "--zygotes", "1"],
    idle: CORES,
    least: { count: 1, comm: ZYGOTE },
  },
  pool: {
    args: ["--model", "pool"],
    idle: POOL,
    least: { count: WORKERS, comm: CONNECTION },
  },
};
/** Options that say how many processes wait. */
export const COUNTS = ["--spares", "--zygotes", "--workers"];

/**
 * The process models to run behaviour tests under: those that MPSERV_TEST_MODELS lists.
 *
 * @returns Their names.
 */
export function models(): Model[] {
  return (Deno.env.get("MPSERV_TEST_MODELS") ?? "spawn,fork,pool").split(",");
}
