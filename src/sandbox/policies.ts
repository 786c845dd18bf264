/**
 * The system calls of a process that serves strangers, whatever code it runs.
 *
 * By default: a handler what it was granted and what any code needs; a program what classic daemons do, and nothing
 * that changes the machine, looks into other processes, or reaches parts of the kernel in which holes are found most.
 *
 * Strictly: reading, writing, waiting and ending, and everything else ends the process. It cannot open a file, a
 * socket or a process, whatever a client makes it run.
 *
 * Every system call of Linux, who may make it, and why: the one list that both
 * are made from. Calls that have commands, or that concern whom
 * their arguments say, stand in `command_rules.ts`. A call that is in neither is newer than this list:
 * nobody has it.
 *
 * The yardsticks: systemd's `@system-service`, the default profile of container engines, and for `strict`
 * OpenSSH's `sandbox-seccomp-filter.c`, beside which V8 and the C library need memory and threads.
 *
 * @module
 */
import { openDescriptors } from "../posix/fd.ts";
import { descriptorTarget } from "../posix/proc.ts";
import {
  assemblePolicy,
  type Policy,
  VERDICTS,
} from "../posix/seccomp/filter.ts";
import type { PermissionKind } from "../runtime/permissions.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import type { ProcessAttributes } from "../wire/choices.ts";
import { commandRules, FORK, may, type Subject } from "./command_rules.ts";

/**
 * Who may make a call: `strict` everybody, `handlers` everybody but who is under `strict`, `programs` alone,
 * `nobody`, or a program, and a handler that was granted one of some kinds.
 */
type Caller =
  | "strict"
  | "handlers"
  | "programs"
  | "nobody"
  | readonly PermissionKind[];

/** Some calls of one kind. */
interface CallGroup {
  /** Their purpose, or the damage that they could do. */
  readonly why: string;
  /** The processes that may use them. */
  readonly who: Caller;
  readonly calls: string;
}

/** All of them; a call stands in one group alone. */
export const CALL_GROUPS: readonly CallGroup[] = [
  {
    why: "bytes of descriptors that are open already",
    who: "strict",
    calls: `read write readv writev pread64 pwrite64 lseek recvfrom recvmsg
      shutdown getsockopt setsockopt getsockname getpeername close close_range
      fstat`,
  },
  {
    why: "waiting, pipes and timers of this process",
    who: "strict",
    calls: `poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait
      epoll_pwait epoll_pwait2 eventfd2 timerfd_create timerfd_settime pipe
      pipe2 signalfd4 nanosleep clock_nanosleep alarm setitimer
      restart_syscall wait4 waitid`,
  },
  {
    why: "memory of this process",
    who: "strict",
    calls: `mmap munmap mremap mprotect madvise brk pkey_mprotect pkey_alloc
      pkey_free membarrier`,
  },
  {
    why: "threads of this process, and its signals",
    who: "strict",
    calls: `futex futex_waitv set_robust_list rseq sched_yield
      sched_getaffinity sched_getparam sched_getscheduler getcpu
      set_tid_address arch_prctl rt_sigaction rt_sigprocmask rt_sigreturn
      sigaltstack rt_sigpending rt_sigtimedwait`,
  },
  {
    why: "questions that tell about nobody else",
    who: "strict",
    calls: `clock_gettime clock_getres gettimeofday time times getpid getppid
      gettid getuid geteuid getgid getegid getgroups getrlimit getrusage
      getrandom uname sysinfo getcwd`,
  },
  { why: "the end", who: "strict", calls: "exit exit_group" },
  {
    why: "files by name, to read: Landlock says which",
    who: "handlers",
    calls: `access faccessat faccessat2 stat lstat statx readlink readlinkat
      getdents getdents64 chdir fchdir statfs fstatfs getxattr lgetxattr
      fgetxattr getxattrat listxattr llistxattr flistxattr listxattrat
      file_getattr readahead fadvise64 cachestat umask`,
  },
  {
    why: "bytes of open files, moved and kept",
    who: "handlers",
    calls: `preadv preadv2 pwritev pwritev2 sendfile splice tee vmsplice
      copy_file_range fsync fdatasync flock msync mincore`,
  },
  {
    why: "what libraries do instead of the above",
    who: "handlers",
    calls: `accept accept4 recvmmsg epoll_create eventfd signalfd pause
      rt_sigsuspend getitimer timer_create timer_settime timer_gettime
      timer_getoverrun timer_delete timerfd_gettime mlock mlock2 mlockall
      munlock munlockall remap_file_pages map_shadow_stack mseal memfd_create
      futex_wake futex_wait futex_requeue get_robust_list get_thread_area
      set_thread_area setrlimit sched_get_priority_max sched_get_priority_min
      sched_rr_get_interval sched_getattr getpriority ioprio_get getresuid
      getresgid getpgid getpgrp getsid capget capset landlock_create_ruleset
      landlock_add_rule landlock_restrict_self`,
  },
  {
    why: "changes of files by name or descriptor: the log is such a file",
    who: ["write"],
    calls: `creat truncate ftruncate fallocate mkdir mkdirat rmdir unlink
      unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod
      mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat
      utime utimes futimesat utimensat setxattr lsetxattr fsetxattr setxattrat
      removexattr lremovexattr fremovexattr removexattrat file_setattr
      sync_file_range syncfs`,
  },
  {
    why: "other programs and processes",
    who: ["run"],
    calls: `execve execveat fork vfork kill tkill rt_sigqueueinfo
      rt_tgsigqueueinfo pidfd_open pidfd_send_signal setsid`,
  },
  {
    why:
      "a socket that leads elsewhere: also a connection that was taken apart",
    who: ["net", "import"],
    calls: "connect listen",
  },
  {
    why: "messages of the kernel about changed files",
    who: ["read"],
    calls: "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
  },
  {
    why: "users: a program that leaves root behind; what --user takes is below",
    who: "programs",
    calls: `setreuid setregid setresuid setresgid setfsuid setfsgid`,
  },
  {
    why: "a program's own cell, as rsync, sshd and chroot(8) make it",
    who: "programs",
    calls: "chroot",
  },
  {
    why: "memory and messages between processes, which outlive a connection",
    who: "programs",
    calls: `shmget shmat shmctl shmdt semget semop semctl semtimedop msgget
      msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive
      mq_notify mq_getsetattr`,
  },
  {
    why: "what databases and old programs use, and a handler does not",
    who: "programs",
    calls: `io_setup io_destroy io_getevents io_pgetevents io_submit io_cancel
      memfd_secret get_mempolicy set_mempolicy_home_node name_to_handle_at sync
      lsm_get_self_attr lsm_set_self_attr lsm_list_modules statmount listmount
      fanotify_mark epoll_ctl_old epoll_wait_old getpmsg putpmsg afs_syscall
      tuxcall security vserver get_kernel_syms query_module`,
  },
  {
    why: "other processes' memory and descriptors",
    who: "nobody",
    calls: `ptrace process_vm_readv process_vm_writev process_madvise
      pidfd_getfd kcmp perf_event_open process_mrelease uprobe uretprobe`,
  },
  {
    why: "the tree of files",
    who: "nobody",
    calls: `mount umount2 pivot_root open_tree open_tree_attr move_mount fsopen
      fsconfig fsmount fspick mount_setattr open_by_handle_at fanotify_init`,
  },
  {
    why: "containers: their root has a way to more of the kernel than others",
    who: "nobody",
    calls: "unshare setns",
  },
  {
    why:
      "the kernel: code in it, keys, tracing, and io_uring, whose calls no filter sees",
    who: "nobody",
    calls: `init_module finit_module delete_module create_module kexec_load
      kexec_file_load bpf userfaultfd syslog keyctl add_key request_key
      io_uring_setup io_uring_enter io_uring_register uselib nfsservctl
      lookup_dcookie _sysctl ustat sysfs`,
  },
  {
    why: "the machine: clocks, names, disks, processors",
    who: "nobody",
    calls: `reboot swapon swapoff acct quotactl quotactl_fd settimeofday
      clock_settime clock_adjtime adjtimex sethostname setdomainname iopl
      ioperm modify_ldt vhangup migrate_pages move_pages set_mempolicy mbind`,
  },
];

const { allow, kill, missing, notify, refuse } = VERDICTS;

function defaultPolicy(subject: Omit<Subject, "isStrict">): Policy {
  const who = { ...subject, isStrict: false };
  const includes = (caller: Caller): boolean => {
    if (typeof caller !== "string") return may(who, ...caller);
    return caller === "programs" ? who.isProgram : caller !== "nobody";
  };
  const rules = CALL_GROUPS.flatMap(({ who: caller, calls }) => {
    const verdict = includes(caller) ? allow : refuse;
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

/**
 * How a process that rewinds its memory ends its threads: it lists them in the directory that its parent opened, and
 * has the kernel signal each by a timer, which reaches threads of the process itself alone.
 */
const FOR_REWINDING = [
  ...["getdents64", "timer_create", "timer_settime", "timer_delete"],
];

interface StrictSubject
  extends Pick<Subject, "pid" | "attributes" | "rewinds"> {
  /** Whether a handler serves. */
  readonly isHandler: boolean;
}

function strictPolicy(
  { attributes, isHandler, pid, rewinds }: StrictSubject,
): Policy {
  const subject = {
    ...{ grants: [], isProgram: false, isStrict: true },
    ...{ attributes, pid, rewinds },
  };
  const calls = [
    ...CALL_GROUPS.filter(({ who }) => who === "strict")
      .flatMap(({ calls }) => calls.split(/\s+/)),
    ...callsOf(attributes),
    ...isHandler ? FOR_HANDLERS : [],
    ...isHandler && rewinds ? FOR_REWINDING : [],
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
function fencePolicy(): Policy {
  const checks = [{ argument: 0, is: FORK, then: kill }];
  return {
    rules: [{ call: "clone", checks, verdict: allow }],
    others: allow, // the filter beneath it decides
  };
}

/** What each level allows. */
export const LEVEL_POLICIES = {
  default: defaultPolicy,
  strict: strictPolicy,
  fence: fencePolicy,
};

/** It as `struct sock_filter`s. */
export const fenceFilter = (): Uint8Array<ArrayBuffer> =>
  assemblePolicy(fencePolicy(), Deno.build.arch);

/** The calls needed to change to the requested user, after the filter is installed. */
function callsOf(attributes: ProcessAttributes | undefined): string[] {
  if (!attributes) return [];
  const { directory, umask } = attributes;
  return [
    "capset", // gives up the capabilities that this took
    ...directory === undefined ? [] : ["chdir"],
    ...umask === undefined ? [] : ["umask"],
  ];
}

/** Stands for a process's own id in a filter that is made for many: none is so high, and no argument of a call. */
const ITS_PID = 0x7ead_beef;

/** Makes the filter of a zygote, which is this process, or of a spawned one: `struct sock_filter`s. */
export function makeFilter(
  options: Pick<ChildOptions, "attributes" | "grants" | "rewinds" | "service">,
  isStrict: boolean,
  isZygote: boolean,
): Uint8Array<ArrayBuffer> {
  const { attributes, grants, service } = options;
  const pid = isZygote ? null : ITS_PID;
  const rewinds = isZygote && options.rewinds !== undefined;
  const isProgram = "program" in service;
  const subject = { attributes, pid, rewinds };
  if (isStrict) {
    const strict = { ...subject, isHandler: "module" in service };
    return assemblePolicy(strictPolicy(strict), Deno.build.arch);
  }
  const who = { ...subject, grants, isProgram };
  const mayWrite = !isProgram && may({ ...who, isStrict }, "write");
  const open = isZygote ? openDescriptors : () => [1, 2]; // a spawned process inherits these
  const files = mayWrite ? serverFiles(open()) : [];
  return assemblePolicy(defaultPolicy({ ...who, files }), Deno.build.arch);
}

/** The server's own files, such as its log: what a process was given to serve is none. */
function serverFiles(descriptors: readonly number[]): number[] {
  return descriptors.filter((fd) => {
    const target = descriptorTarget(fd);
    return target?.startsWith("/") && !/^\/(dev|proc|memfd:)/.test(target);
  });
}

/** The filter as one process's. */
export function filterFor(
  pid: number,
  filter: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(filter.slice().buffer); // struct sock_filter {u16 code; u8 jt, jf; u32 k}
  for (let at = 1; at < words.length; at += 2) {
    if (words[at] === ITS_PID) words[at] = pid;
  }
  return new Uint8Array(words.buffer);
}
