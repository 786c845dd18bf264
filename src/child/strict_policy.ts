/**
 * What a process that only reads, writes, waits and ends needs: everything else ends it. Such a process
 * cannot open a file, a socket or a process, whatever a client makes it run.
 *
 * The yardstick is OpenSSH's `sandbox-seccomp-filter.c`; beyond that stand the calls that V8 and the C
 * library make for memory and threads.
 *
 * @module
 */
import {
  type Check,
  type Policy,
  type Rule,
  VERDICTS,
} from "../posix/syscall_filter.ts";
import { NEW_NAMESPACES } from "./default_policy.ts";
import type { Standing } from "./standing.ts";

const { allow, notify, missing, kill } = VERDICTS;

const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  /** On descriptors that are open already. */
  bytes: [
    ...["read", "write", "readv", "writev", "pread64", "pwrite64", "lseek"],
    ...["recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown"],
    ...["getsockopt", "setsockopt", "getsockname", "getpeername"],
    ...["close", "close_range", "fcntl", "fstat", "dup", "dup2", "dup3"],
  ],
  waiting: [
    ...["poll", "ppoll", "select", "pselect6"],
    ...["epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait"],
    ...["epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime"],
    ...["pipe", "pipe2", "signalfd4", "nanosleep", "clock_nanosleep"],
    ...["alarm", "setitimer", "restart_syscall", "wait4", "waitid"],
  ],
  memory: [
    ...["mmap", "munmap", "mremap", "mprotect", "madvise", "brk"],
    ...["pkey_mprotect", "pkey_alloc", "pkey_free", "membarrier"],
  ],
  threads: [
    ...["futex", "futex_waitv", "set_robust_list", "rseq", "sched_yield"],
    ...[
      "sched_getaffinity",
      "sched_getparam",
      "sched_getscheduler",
      "getcpu",
      "set_tid_address",
      "arch_prctl",
    ],
    ...["rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack"],
    ...["rt_sigpending", "rt_sigtimedwait"],
  ],
  /** Questions, of which none tells about anybody else. */
  questions: [
    ...["clock_gettime", "clock_getres", "gettimeofday", "time", "times"],
    ...["getpid", "getppid", "gettid", "getuid", "geteuid", "getgid"],
    ...["getegid", "getgroups", "getrlimit", "getrusage", "getrandom"],
    ...["uname", "sysinfo"],
  ],
  ending: ["exit", "exit_group"],
};

/** What a process may do to itself: PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_SET_PDEATHSIG, linux/prctl.h. */
const PROCESS_OPTIONS = [15, 16, 0x53564d41, 1];
/** The runtime asks where its own file is when a handler uses `node:process`, and must get an answer. */
const FOR_HANDLERS = ["readlink", "readlinkat"];
const CLONE_THREAD = 0x00010000; // sched.h
/** fork(3) of the C library: CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, SIGCHLD. */
const FORK = 0x01200011;
const AT_EMPTY_PATH = 0x1000; // fcntl.h: how the C library asks about an open file
const SOCK_TYPE = 0xf;
const SOCK_DGRAM = 2; // bits/socket_type.h

/** Who the filter is for. */
export interface StrictSubject {
  /** Who the process is to be, which it becomes with the filter in place. */
  readonly standing: Standing | undefined;
  /** Whether a handler serves. */
  readonly isHandler: boolean;
  /** Its process id, where the filter is for this process alone; null where it also forks. */
  readonly pid: number | null;
}

/**
 * The policy.
 *
 * @param subject Who it is for.
 * @returns What becomes of each system call.
 */
export function strictPolicy(
  { standing, isHandler, pid }: StrictSubject,
): Policy {
  const only = (call: string, ...checks: Check[]): Rule => ({
    call,
    checks,
    verdict: notify,
  });
  const is = (argument: number, is: number) => ({ argument, is, then: allow });
  const threads = [
    { argument: 0, has: NEW_NAMESPACES, then: notify },
    { argument: 0, has: CLONE_THREAD, then: allow },
  ];
  const pairs = { argument: 1, within: SOCK_TYPE, is: SOCK_DGRAM };
  return {
    rules: [
      ...[
        ...Object.values(ALLOWED).flat(),
        ...callsOf(standing),
        ...isHandler ? FOR_HANDLERS : [],
      ].map((
        call,
      ) => ({
        call,
        verdict: allow,
      })),
      only("prctl", ...PROCESS_OPTIONS.map((option) => is(0, option))),
      only("newfstatat", { argument: 3, has: AT_EMPTY_PATH, then: allow }),
      only("prlimit64", is(0, 0)), // of itself
      {
        call: "socketpair",
        checks: [{ ...pairs, then: notify }],
        verdict: allow,
      },
      // Its flags are in memory, where a filter cannot look: the C library then takes clone(2).
      { call: "clone3", verdict: missing },
      ...pid === null
        // It forks, and each of its children puts up a fence first.
        ? [
          only("clone", ...threads, is(0, FORK)),
          only("setpgid", is(0, 0)), // each child leads a group of its own
          { call: "seccomp", verdict: allow },
        ]
        : [only("clone", ...threads), only("tgkill", is(0, pid))],
    ],
    others: notify,
    foreign: notify,
  };
}

/**
 * The fence around each child of a zygote that is under {@linkcode strictPolicy}: it cannot fork, as its
 * zygote must. It is this small since every connection pays for it.
 *
 * @returns What becomes of each system call.
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
  const { user, directory, umask, nice } = standing;
  return [
    "capset", // what it took is given up then
    ...user ? ["setgroups", "setgid", "setuid"] : [],
    ...directory === undefined ? [] : ["chdir"],
    ...umask === undefined ? [] : ["umask"],
    ...nice === undefined ? [] : ["setpriority"],
  ];
}
