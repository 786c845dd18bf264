/**
 * What a process that serves strangers may do, whoever wrote the code it runs.
 *
 * By default: a handler what it was granted and what any code needs; a program what classic daemons do, and nothing
 * that changes the machine, looks into other processes, or reaches parts of the kernel in which holes are found most.
 *
 * Strictly: reading, writing, waiting and ending, and everything else ends the process. It cannot open a file, a
 * socket or a process, whatever a client makes it run.
 *
 * @module
 */
import { type Policy, VERDICTS } from "../posix/seccomp/filter.ts";
import type { Standing } from "../wire/choices.ts";
import { commandRules, FORK, may, type Subject } from "./command_rules.ts";
import { type Audience, CALL_GROUPS } from "./system_calls.ts";

const { allow, kill, missing, notify, refuse } = VERDICTS;

/** The policy. */
export function defaultPolicy(subject: Omit<Subject, "isStrict">): Policy {
  const who = { ...subject, isStrict: false };
  const includes = (audience: Audience): boolean => {
    if (typeof audience !== "string") return may(who, ...audience);
    return audience === "programs" ? who.isProgram : audience !== "nobody";
  };
  const rules = CALL_GROUPS.flatMap(({ who: audience, calls }) => {
    const verdict = includes(audience) ? allow : refuse;
    return calls.split(/\s+/).map((call) => ({ call, verdict }));
  });
  return {
    rules: [...commandRules(who), ...rules],
    others: allow, // all that we know stand above
    newer: missing,
    foreign: kill,
  };
}

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
