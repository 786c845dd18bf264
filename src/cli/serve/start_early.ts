/**
 * The first process of a server, a zygote or a spawned one, started before the rest of the server is loaded: both
 * take about the same time and run at the same time. It receives its options later.
 *
 * @module
 */
import { earlySpawned, earlyZygote } from "../../model/runtime_process.ts";
import { closeOnExec } from "../../posix/fd.ts";
import type { ChildOptions } from "../../wire/child_options.ts";

const STDERR = 2;

/** A process that serves without permissions of its own. */
const PLAIN: ChildOptions = {
  service: { name: "echo" },
  idleTimeout: 0,
  firstByteTimeout: 0,
  grants: [],
  sandbox: { level: "default", isWanted: false, hasFilters: true },
};
/** Words with which a process is started otherwise, or not at all. */
const OTHERWISE = /^(--(handler|grant|help(-all)?|version)(=.*)?|-h)$/;

/**
 * Starts the process that a command line plainly asks for. A wrong guess costs the start of a process, and nothing
 * else: a server that needs a differently started process does not use it.
 */
export function startEarly(words: readonly string[]): void {
  if (Deno.build.os !== "linux") return;
  const first = firstProcess(words);
  if (first === null) return;
  closeOnExec(STDERR); // what we were started with beside these is no business of our children
  const isPooled = valueOf("--model", words) === "pool";
  first.start({ ...PLAIN, isPooled });
}

/** Which process a server starts first; null where that is one of another kind than {@linkcode PLAIN}, or none. */
export function firstProcess(
  words: readonly string[],
): typeof earlyZygote | typeof earlySpawned | null {
  const program = words.indexOf("--");
  const own = program < 0 ? words : words.slice(0, program);
  if (own.some((word) => OTHERWISE.test(word))) return null;
  const isSpawned = valueOf("--model", own) === "spawn";
  if (isSpawned && valueOf("--spares", own) === "0") return null;
  return isSpawned ? earlySpawned : earlyZygote;
}

function valueOf(option: string, words: readonly string[]): string | undefined {
  const at = words.findLastIndex((word) =>
    word === option || word.startsWith(`${option}=`)
  );
  const word = words[at];
  return word === option ? words[at + 1] : word?.slice(option.length + 1);
}
