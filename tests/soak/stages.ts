/**
 * The servers of a soak: which service, which process model, how much of the load, which faults.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { FaultKind } from "./faults.ts";

/** What clients of a server do, and what they must get. */
export type ServiceKind =
  | "echo"
  | "plus one"
  | "discard"
  | "chargen"
  | "daytime"
  | "time";

/** One server. */
export interface Stage {
  /** Its name in the report. */
  readonly name: string;
  /** The process model. */
  readonly model: "fork" | "spawn" | "pool";
  /** What it serves. */
  readonly service: ServiceKind;
  /** Options of `mpserv serve`, beside those of the model. */
  readonly args: readonly string[];
  /** Its share of the connections. */
  readonly weight: number;
  /** What is done to its processes. */
  readonly faults: readonly FaultKind[];
}

const HANDLER = fileURLToPath(
  new URL("./handlers/plus_one.ts", import.meta.url),
);
/** It says in pieces that a client has reset it, on the standard error that the log is on. */
const QUIET_CAT = ["/bin/sh", "-c", "exec /bin/cat 2>/dev/null"];
const ALL: readonly FaultKind[] = [
  "kill child",
  "stop child",
  "kill zygote",
  "stop zygote",
  "burst",
];
/** Its zygotes live as long as the run: what they lose would show. */
const NO_ZYGOTE: readonly FaultKind[] = ["kill child", "stop child", "burst"];

/** All servers. */
export const STAGES: readonly Stage[] = [
  stage("echo", "fork", "echo", 300, ALL),
  stage("echo, no fault to zygotes", "fork", "echo", 60, NO_ZYGOTE),
  stage("echo", "pool", "echo", 340, ALL),
  stage("echo, no fault to zygotes", "pool", "echo", 40, NO_ZYGOTE),
  stage("echo", "spawn", "echo", 2, ["kill child", "stop child"]),
  stage("handler", "fork", "plus one", 15, ALL, ["--handler", HANDLER]),
  stage("handler", "pool", "plus one", 10, ALL, ["--handler", HANDLER]),
  stage("program", "fork", "echo", 15, ALL, ["--", ...QUIET_CAT]),
  stage("discard", "pool", "discard", 5, ALL, ["--service", "discard"]),
  stage("chargen", "fork", "chargen", 5, ALL, ["--service", "chargen"]),
  stage("daytime", "pool", "daytime", 4, ALL, ["--service", "daytime"]),
  stage("time", "fork", "time", 4, ALL, ["--service", "time"]),
];

function stage(
  what: string,
  model: Stage["model"],
  service: ServiceKind,
  weight: number,
  faults: readonly FaultKind[],
  args: readonly string[] = [],
): Stage {
  return { name: `${model}: ${what}`, model, service, weight, faults, args };
}
