/**
 * What a process that only reads, writes, waits and ends needs: everything else ends it. Such a process
 * cannot open a file, a socket or a process, whatever a client makes it run.
 *
 * @module
 */
import type { Standing } from "../wire/standing.ts";
import { type Policy, VERDICTS } from "../posix/seccomp/filter.ts";
import { commandRules, FORK, type Subject } from "./command_rules.ts";
import { CALL_GROUPS } from "./system_calls.ts";

const { allow, notify, kill } = VERDICTS;

/** The runtime asks where its own file is when a handler uses `node:process`, and must get an answer. */
const FOR_HANDLERS = ["readlink", "readlinkat"];

/** Who the filter is for. */
export interface StrictSubject extends Pick<Subject, "pid" | "standing"> {
  /** Whether a handler serves. */
  readonly isHandler: boolean;
}

/** The policy. */
export function strictPolicy(
  { standing, isHandler, pid }: StrictSubject,
): Policy {
  const subject = {
    ...{ grants: [], isProgram: false, isStrict: true },
    ...{ standing, pid },
  };
  const calls = [
    ...CALL_GROUPS.filter(({ who }) => who === "strict")
      .flatMap(({ calls }) => calls.split(/\s+/)),
    ...callsOf(standing),
    ...isHandler ? FOR_HANDLERS : [],
  ];
  return {
    rules: [
      ...commandRules(subject),
      ...calls.map((call) => ({ call, verdict: allow })),
    ],
    others: notify,
    foreign: notify,
  };
}

/**
 * The fence around each child of a zygote that is under {@linkcode strictPolicy}: it cannot fork, as its
 * zygote must. It is this small since every connection pays for it.
 */
export function fencePolicy(): Policy {
  const checks = [{ argument: 0, is: FORK, then: kill }];
  return {
    rules: [{ call: "clone", checks, verdict: allow }],
    others: allow, // the filter beneath it decides
  };
}

/** What it takes to become who a person asked for; it happens after the filter is in place. */
function callsOf(standing: Standing | undefined): string[] {
  if (!standing) return [];
  const { directory, umask } = standing;
  return [
    "capset", // what it took is given up then
    ...directory === undefined ? [] : ["chdir"],
    ...umask === undefined ? [] : ["umask"],
  ];
}
