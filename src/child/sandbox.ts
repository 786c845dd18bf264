/**
 * The sandbox around a process that serves: what the system itself lets it do, whatever its code wants.
 * A zygote enters it once, before it forks, and its children have it from their first instruction; a
 * spawned process enters it when it has loaded its code, before it asks for a connection.
 *
 * 1. It ends when the process dies that it waits for (`prctl(2)` PR_SET_PDEATHSIG): a zygote always, a
 *    spawned process until it takes a connection, which it then serves to the end.
 * 2. It leaves no core file, in which a stranger's bytes would lie about.
 * 3. Programs that it runs get no privileges that it has not (PR_SET_NO_NEW_PRIVS).
 * 4. A handler or a built-in service of a root server has none of root's capabilities: it is a user who
 *    owns root's files.
 * 5. A handler or a built-in service reaches the files, ports and processes that were granted (Landlock,
 *    `reach.ts`); what it runs is locked in with it. A program that serves is not: it may do what its
 *    user may.
 * 6. System calls are filtered: by `default_policy.ts`, or by `strict_policy.ts`, under which the parent
 *    is asked, who says in the log what it was, and ends the process.
 *
 * @module
 */
import { limitCapabilities } from "../posix/capabilities.ts";
import { assemblePolicy, type Policy } from "../posix/syscall_filter.ts";
import { PosixError } from "../posix/errno.ts";
import type { Fd } from "../posix/fd.ts";
import type { Fence } from "../posix/fence.ts";
import { setLimit } from "../posix/limits.ts";
import { DomainFence, enterDomain, makeRuleset } from "../posix/landlock.ts";
import { landlockVersion } from "../posix/landlock_abi.ts";
import { cLibrary } from "../posix/libc.ts";
import { dieWithParent } from "../posix/process.ts";
import {
  FilterFence,
  giveUpNewPrivileges,
  installFilter,
} from "../posix/seccomp.ts";
import { defaultPolicy } from "./default_policy.ts";
import type { ChildOptions } from "./options.ts";
import { grantKind } from "../permissions.ts";
import { findPlaces, reachOf } from "./reach.ts";
import { neededFor, noteMemory } from "./standing.ts";
import { fencePolicy, strictPolicy } from "./strict_policy.ts";

const libc = cLibrary("getpid");

/**
 * Has this process end with its parent, from here on.
 *
 * @param options How it serves.
 */
export function followParent({ sandbox }: ChildOptions): void {
  if (sandbox.level !== "off") dieWithParent();
}

/**
 * What each child of a zygote puts up when it is born.
 *
 * @param options How they serve.
 * @returns The fence, not armed; null where none is needed.
 */
export function prepareFence(
  { sandbox, grants }: ChildOptions,
): Fence | null {
  if (sandbox.level === "off") return null;
  if (sandbox.level === "default") {
    // Else its filter lets it signal nobody.
    const maySignal = !sandbox.hasFilters ||
      grants.some((grant) => grantKind(grant) === "run");
    return maySignal && landlockVersion() >= 6 ? new DomainFence() : null;
  }
  return new FilterFence(assemblePolicy(fencePolicy(), Deno.build.arch));
}

/**
 * Enters the sandbox, for good; call it while FFI permission still stands.
 *
 * @param options How this process, or the children of this zygote, serve.
 * @param fence A zygote's, from {@linkcode prepareFence}; left out by a process that serves itself.
 * @returns What the parent must listen to, this process's to hand over and close; null where nobody is
 *   asked.
 * @throws {TypeError} When a person asked for what the system refuses.
 */
export function enterSandbox(
  options: ChildOptions,
  fence?: Fence | null,
): Fd | null {
  const { sandbox, standing, grants, service } = options;
  if (sandbox.level === "off") return null;
  setLimit("core", { soft: 0, hard: 0 });
  giveUpNewPrivileges();
  // A zygote's other threads are parked for good, and its children do not have them.
  const isZygote = fence !== undefined;
  if (isZygote) noteMemory(standing); // its children cannot ask: theirs is no file that was granted
  if (!("program" in service)) {
    const threads = !isZygote;
    limitCapabilities(neededFor(standing), { threads });
    enclose(options, threads);
  }
  if (sandbox.level === "default") fence?.arm();
  if (!sandbox.hasFilters) return null;
  const pid = isZygote ? null : libc.getpid();
  const install = (policy: Policy, listen: boolean) =>
    installFilter(assemblePolicy(policy, Deno.build.arch), {
      threads: !isZygote,
      listen,
    });
  // Where it was not asked for, processes of one thread get it: what a runtime's other threads do, and
  // when, is no business of the service.
  if (sandbox.level === "strict" && (isZygote || sandbox.isWanted)) {
    if (!isZygote) noteMemory(standing);
    void new Date().toString(); // the time zone's file is read at the first date
    const isHandler = "module" in service;
    try {
      const listener = install(
        strictPolicy({ standing, isHandler, pid }),
        true,
      );
      fence?.arm();
      Error.stackTraceLimit = 0; // to name the places in it, the runtime would read files
      return listener;
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      if (sandbox.isWanted) {
        throw new TypeError(
          `Cannot use --sandbox strict: ${error.message}: leave the option out`,
        );
      }
    }
  }
  const isProgram = "program" in service;
  return install(defaultPolicy({ grants, isProgram, pid }), false);
}

/** Lets it reach what was granted, and nothing else; a program may do what its user may. */
function enclose(
  { grants, service }: ChildOptions,
  threads: boolean,
): void {
  if (landlockVersion() === 0) return;
  const project = "module" in service
    ? [decodeURIComponent(new URL(".", service.module).pathname)]
    : [];
  using ruleset = makeRuleset(reachOf(grants, findPlaces(project)));
  enterDomain(ruleset, { threads });
}
