/**
 * The process models that tests run under.
 *
 * @module
 */

/** A process model to run a test under. */
export type Model = string;

const CORES = navigator.hardwareConcurrency;
const WORKERS = 4 * CORES;

/** The number of processes with a name. */
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

/**
 * Options for a model whose processes serve a handler, where what one of them keeps is not what a test is about: the
 * zygote of processes that are put back takes three times as long to start.
 *
 * @param model The model.
 * @returns Options of `mpserv serve`.
 */
export function notRewound(model: Model): string[] {
  return model === "pool" ? ["--rewind", "off"] : [];
}

/** Options that say how many processes wait. */
export const COUNTS = ["--spares", "--zygotes", "--workers"];

/** Those that MPSERV_TEST_MODELS lists. */
const ASKED = Deno.env.get("MPSERV_TEST_MODELS")?.split(",");

/**
 * The process models to run tests under whose subject is another thing in each of them: those that
 * MPSERV_TEST_MODELS lists, or all.
 *
 * @returns Their names.
 */
export function models(): Model[] {
  return ASKED ?? ["spawn", "fork", "pool"];
}

/**
 * The process models to run tests under whose subject is the same in all of them, such as what the parent
 * reads, says and writes: those that MPSERV_TEST_MODELS lists, or one.
 *
 * @param model Which one: what costs least is `spawn` for a few connections, and `fork` for many.
 * @returns Their names.
 */
export function anyModel(model: Model = "spawn"): Model[] {
  return ASKED ?? [model];
}
