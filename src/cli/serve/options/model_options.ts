/**
 * The options of `mpserv serve` that say where processes come from.
 *
 * @module
 */
import { MODEL_NAMES } from "../../../model/names.ts";
import { choice, count, group, or, type Values } from "../../options.ts";

const CORES = navigator.hardwareConcurrency;

/** The table. */
export const MODEL = group("Process model", {
  model: or(
    choice("<name>", "where connection processes come from", MODEL_NAMES),
    "auto",
  ),
  spares: or(
    count("spawn: processes started ahead of connections", "spares"),
    2,
  ),
  zygotes: or(
    count("fork: processes that fork others", "zygotes", 1),
    CORES,
    "one per core",
  ),
  workers: or(
    count("pool: processes that take turns", "workers", 1),
    4 * CORES,
    "four per core",
  ),
  recycle: or(
    count(
      "pool: replace a process after this many connections; 0: never",
      "recycle",
    ),
    1000,
  ),
});

/** What was typed of it. */
export type ModelChoice = Values<typeof MODEL>;
