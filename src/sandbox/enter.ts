/**
 * The sandbox around a process that serves: what the system itself lets it do, whatever its code wants.
 * A process enters it when it has loaded our code, and before it runs any of a person's; the children of a
 * zygote have it from their first instruction.
 *
 * 1. It ends when the process dies that it waits for (`prctl(2)` PR_SET_PDEATHSIG): a zygote always, a
 *    spawned process until it takes a connection, which it then serves to the end.
 * 2. It is whom a person asked for (`process_limits.ts`), and leaves no core file, in which a stranger's bytes
 *    would lie about.
 * 3. Programs that it runs get no privileges that it has not (PR_SET_NO_NEW_PRIVS).
 * 4. A handler or a built-in service of a root server has none of root's capabilities: it is a user who
 *    owns root's files.
 * 5. A handler or a built-in service reaches the files, ports and processes that were granted (Landlock,
 *    `reach.ts`); what it runs is locked in with it. A program that serves is not: it may do what its
 *    user may.
 * 6. System calls are filtered (`policies.ts`); in the strict sandbox the parent
 *    is asked, who says in the log what it was, and ends the process.
 * 7. It gives up Deno's permissions, but for those that were granted, and what the runtime keeps on disk
 *    without one.
 *
 * @module
 */
import {
  giveUpBoundingSet,
  giveUpCapabilities,
} from "../posix/capabilities.ts";
import { PosixError } from "../posix/errno.ts";
import { type Fd, openDescriptors } from "../posix/fd.ts";
import { DomainFence, enterDomain, makeRuleset } from "../posix/landlock.ts";
import { landlockVersion } from "../posix/landlock_abi.ts";
import { cLibrary } from "../posix/libc.ts";
import { setLimit } from "../posix/limits.ts";
import { descriptorTarget } from "../posix/proc.ts";
import { dieWithParent, setDumpable } from "../posix/process.ts";
import { assemblePolicy, type Policy } from "../posix/seccomp/filter.ts";
import {
  type Fence,
  FilterFence,
  giveUpNewPrivileges,
  installFilter,
  prepareFilter,
} from "../posix/seccomp/seccomp.ts";
import {
  grantKind,
  hideInternals,
  revokePermissions,
} from "../runtime/permissions.ts";
import {
  type ChildOptions,
  grantsToLoad,
  rootsOf,
} from "../wire/child_options.ts";
import { SandboxError } from "../wire/tell.ts";
import { defaultPolicy, fencePolicy, strictPolicy } from "./policies.ts";
import { takeIdentity } from "./process_limits.ts";
import { findPlaces, type Places, reachOf } from "./reach.ts";

/**
 * Takes it from this process, unless it may read and write every file. Under a sandbox the system keeps it
 * from workers, too, whose globals are their own.
 */
function takeStorage(grants: readonly string[]): void {
  if (grants.includes("read") && grants.includes("write")) return;
  for (const name of ["localStorage", "sessionStorage", "caches"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  Reflect.deleteProperty(Deno, "openKv");
}

const libc = cLibrary("getpid");

/** Has this process end with its parent, from here on. */
export function followParent({ sandbox }: ChildOptions): void {
  if (sandbox.level !== "off") dieWithParent();
}

/**
 * Prepares the restrictions that each child of a zygote installs at its start.
 *
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
 * Enters the sandbox, for good. From here on nothing can be opened of the C library, and no pointer made.
 *
 * @throws {SandboxError} When a person asked for what the system refuses.
 * @throws {Error} When it cannot be whom a person asked for.
 */
export function enterSandbox(
  options: ChildOptions,
  role: EnterOptions,
): Sandbox {
  const { attributes, service, sandbox } = options;
  const isProgram = "program" in service;
  const isEnclosed = sandbox.level !== "off" && !isProgram &&
    landlockVersion() > 0;
  // Look up its paths while it still may: the new user may not read them.
  const domains = isEnclosed ? prepareDomains(options, role) : null;
  // A program takes its place later, and with it what was asked for.
  if (attributes && !isProgram) {
    const threads = !role.isParked;
    if (sandbox.level !== "off") giveUpBoundingSet({ threads });
    takeIdentity(attributes);
  }
  if (sandbox.level !== "off") {
    setLimit("core", { soft: 0, hard: 0 });
    giveUpNewPrivileges();
    if (!isProgram) giveUpCapabilities({ threads: !role.isParked });
  }
  const isOther = attributes?.user !== undefined && role.isZygote;
  if (isOther) setDumpable(true); // it looks at itself under /proc before it forks
  domains?.enter();
  // From here until the parent has the listener, no call is made that it would be asked about.
  const listener = enterFilters(options, role);
  revokePermissions(grantsToLoad(options));
  if ("module" in service) {
    takeStorage(options.grants);
    hideInternals();
  }
  followParent(options); // the kernel forgets it when the user changes
  return {
    listener,
    isComplete: sandbox.level === "default" || listener !== null,
    narrow: () => {
      if (isOther) setDumpable(false);
      domains?.narrow();
      // To name the places in it, the runtime would read files.
      if (listener) Error.stackTraceLimit = 0;
    },
  };
}

/** The process that enters a sandbox. */
interface EnterOptions {
  /** Whether it is a zygote. */
  readonly isZygote: boolean;
  /** Whether its other threads are parked. */
  readonly isParked?: boolean;
}

/** A sandbox that was entered. */
export interface Sandbox {
  /** The descriptor of the parent's notifications; this process sends and closes it. Null without notifications. */
  readonly listener: Fd | null;
  /** Whether it is as strict as it was to be, so that a fence belongs to it. */
  readonly isComplete: boolean;
  /** Takes from this process what it needs no more, once the code of a service is loaded. */
  narrow(): void;
}

function enterFilters(
  options: ChildOptions,
  { isZygote, isParked = false }: EnterOptions,
): Fd | null {
  const { sandbox, attributes, grants, service } = options;
  const rewinds = isZygote && options.rewinds !== undefined;
  if (sandbox.level === "off" || !sandbox.hasFilters) return null;
  const pid = isZygote ? null : libc.getpid();
  const install = (policy: Policy, listen: boolean) =>
    installFilter(prepareFilter(assemblePolicy(policy, Deno.build.arch)), {
      threads: !isParked,
      listen,
    });
  // Where it was not asked for, processes of one thread get it: what a runtime's other threads do, and
  // when, is no business of the service.
  if (sandbox.level === "strict" && (isZygote || sandbox.isWanted)) {
    void new Date().toString(); // the time zone's file is read at the first date
    const isHandler = "module" in service;
    try {
      return install(
        strictPolicy({ attributes, isHandler, pid, rewinds }),
        true,
      );
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      if (sandbox.isWanted) {
        throw new SandboxError(
          `Cannot use --sandbox strict: ${error.message}: leave the option out`,
        );
      }
    }
  }
  const isProgram = "program" in service;
  const files = inheritedFiles();
  return install(
    defaultPolicy({ grants, isProgram, pid, attributes, files, rewinds }),
    false,
  );
}

/** The server's own files that this process has open, such as its log: what it was given to serve is none. */
function inheritedFiles(): number[] {
  return openDescriptors().filter((fd) => {
    const target = descriptorTarget(fd);
    return target?.startsWith("/") && !/^\/(dev|proc|memfd:)/.test(target);
  });
}

/**
 * Prepares the Landlock rules of this process: only the grants; a program keeps its user's rights.
 *
 * @returns `enter` encloses it; `narrow` takes from a zygote what its children are not to reach.
 */
function prepareDomains(
  { grants, service }: ChildOptions,
  { isZygote, isParked = false }: EnterOptions,
): { enter(): void; narrow(): void } {
  const places = findPlaces(rootsOf(service));
  const rulesOf = (places: Places) => makeRuleset(reachOf(grants, places));
  const last = rulesOf(places);
  // It looks at its own threads and its event loop before it forks.
  const own = ["/proc/self/task", "/proc/self/fdinfo"];
  const runtime = [...places.runtime, ...own];
  const first = isZygote && !isParked ? rulesOf({ ...places, runtime }) : null;
  return {
    enter: () => {
      enterDomain(first ?? last, { threads: !isParked });
      (first ?? last).close();
    },
    narrow: () => {
      if (first === null) return;
      enterDomain(last);
      last.close();
    },
  };
}
