/**
 * The first zygote, started before the command line is understood: see `model/zygote_process.ts`.
 *
 * @module
 */
import { startZygoteEarly } from "../model/zygote_process.ts";
import { closeOnExec } from "../posix/fd.ts";
import { SERVICE_NAMES, type ServiceName } from "../service/load.ts";
import { resolveSandbox } from "./sandbox.ts";

/** Words after which there is no zygote, or one that is hard to guess. */
const WITHOUT = new Set([
  ..."-- --handler --watch --grant --sandbox --idle-timeout --first-byte-timeout"
    .split(" "),
  ..."--user --chdir --umask --nice --help -h --version".split(" "),
]);
const LIMITS = "--limit-";
const STDERR = 2;

/**
 * Starts the zygote that a command line most likely wants: of our echo, or of another service of ours. A
 * command that wants none, or another, does without.
 *
 * @param words What was typed after `serve`.
 */
export function startEarly(words: readonly string[]): void {
  const options = words.map((word) => word.split("=", 1)[0]!);
  if (options.some((it) => WITHOUT.has(it) || it.startsWith(LIMITS))) return;
  const model = valueOf("--model", words) ?? "auto";
  if (model === "spawn" || Deno.build.os !== "linux") return;
  const name = valueOf("--service", words) ?? "echo";
  if (!isServiceName(name)) return;
  closeOnExec(STDERR); // what we were started with beside these is no business of our children
  startZygoteEarly({
    service: { name },
    idleTimeout: 0,
    firstByteTimeout: 0,
    grants: [],
    standing: undefined,
    sandbox: resolveSandbox({}, {}).sandbox,
    isMarked: false,
  });
}

function isServiceName(name: string): name is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(name);
}

function valueOf(option: string, words: readonly string[]): string | undefined {
  const at = words.indexOf(option);
  if (at >= 0) return words[at + 1];
  const joined = `${option}=`;
  return words.find((word) => word.startsWith(joined))?.slice(joined.length);
}
