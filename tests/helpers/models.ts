/**
 * The process models that tests run under.
 *
 * @module
 */

/** A process model to run a test under. */
export type Model = string;

const CORES = navigator.hardwareConcurrency;
const WORKERS = 4 * CORES;

/** What processes of a name there are. */
export interface Waiting {
  readonly count: number;
  readonly comm: string;
}

const ZYGOTE = "mpserv:zygote", CONNECTION = "mpserv:conn";

/**
 * How many processes wait for connections. Each costs a whole runtime: so a server has `few`, and what
 * serves best, the `usual`, only where they are what a test is about.
 */
export type Crew = "few" | "usual";

/** How a model is asked for, and how many processes at most wait without a connection, and at least. */
interface Asked {
  readonly args: readonly string[];
  readonly idle: number;
  readonly least: Waiting;
}

/**
 * How each model is asked for, where `args` do not say otherwise. One zygote is enough for most tests;
 * `auto` has as many as there are processors. A pool that cannot fork has no zygote, and as many workers.
 */
export const MODELS: Readonly<Record<Model, Readonly<Record<Crew, Asked>>>> = {
  auto: {
    few: auto(["--spares", "0", "--zygotes", "1", "--workers", "2"]),
    usual: auto([]),
  },
  spawn: {
    few: spawn(["--spares", "0"], 0),
    usual: spawn([], 2),
  },
  fork: { few: fork(), usual: fork() },
  pool: {
    few: pool(["--workers", "2"], 2),
    usual: pool([], WORKERS),
  },
};

/** Whatever it is given in `args`. */
function auto(args: string[]): Asked {
  const idle = Math.max(16, 1 + WORKERS);
  return { args, idle, least: { count: 0, comm: CONNECTION } };
}

function spawn(args: string[], count: number): Asked {
  const all = ["--model", "spawn", ...args];
  return { args: all, idle: count, least: { count, comm: CONNECTION } };
}

function fork(): Asked {
  const args = ["--model", "fork", "--zygotes", "1"];
  return { args, idle: CORES, least: { count: 1, comm: ZYGOTE } };
}

/** A pool's workers, and its zygote. */
function pool(args: string[], count: number): Asked {
  const all = ["--model", "pool", ...args];
  return { args: all, idle: 1 + count, least: { count, comm: CONNECTION } };
}

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
