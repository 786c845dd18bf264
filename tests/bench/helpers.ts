/**
 * Shared parts of the tests of `mpserv bench`.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { LoadOutcome } from "../../src/bench/outcome.ts";
import { type Result, runCommand } from "../helpers/command.ts";

/** The result of a benchmark. */
export interface BenchResult extends Result {
  /** Its result. */
  readonly outcome: LoadOutcome;
}

/**
 * Runs `mpserv bench ARGS --json`: little load for a short time. Without a warm-up, so that what begins
 * is measured, however slow the machine is just now.
 *
 * @param args Where to, which kind of load, and options.
 * @returns What it left behind; nothing but JSON is on its standard output.
 */
export async function bench(...args: string[]): Promise<BenchResult> {
  const short = args.includes("--hold")
    ? []
    : ["--duration", "300ms", "--warmup", "0"];
  const result = await runCommand(["bench", ...short, ...args, "--json"]);
  assert.match(result.stdout, /^\{/, result.stderr);
  return { ...result, outcome: JSON.parse(result.stdout) };
}

/** As {@linkcode bench}, when everything should go well. */
export async function benchWell(...args: string[]): Promise<LoadOutcome> {
  const patience = ["--timeout", "60s"];
  const { outcome, code, stderr } = await bench(...patience, ...args);
  assert.deepEqual([outcome.failures, code, stderr], [{}, 0, ""]);
  return outcome;
}
