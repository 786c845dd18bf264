/**
 * What a process that serves strangers may do, whoever wrote the code it runs: a handler what it was
 * granted and what any code needs; a program what classic daemons do, and nothing that changes the
 * machine, looks into other processes, or reaches parts of the kernel in which holes are found most.
 *
 * @module
 */
import { type Policy, VERDICTS } from "../posix/seccomp/filter.ts";
import { commandRules, may, type Subject } from "./command_rules.ts";
import { type Audience, CALL_GROUPS } from "./system_calls.ts";

const { allow, kill, missing, refuse } = VERDICTS;

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
