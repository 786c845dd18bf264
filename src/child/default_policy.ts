/**
 * What a process that serves strangers is refused, whoever wrote the code it runs: system calls that
 * change the machine, look into other processes, or reach parts of the kernel in which holes are found
 * most. Beside those that the person grants: running programs, and the network.
 *
 * The yardsticks are systemd's `@system-service` (what is not in it is refused here, but for what
 * programs are known to try and do without) and the default profile of container engines.
 *
 * @module
 */
import { type Check, type Policy, VERDICTS } from "../posix/syscall_filter.ts";
import { grantKind, type PermissionKind } from "../permissions.ts";

const { allow, refuse: refused } = VERDICTS;

/** Nobody who serves a connection needs them; systemd's groups of the same names. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  /** Other processes' memory and descriptors. */
  debugging: [
    ...["ptrace", "process_vm_readv", "process_vm_writev", "process_madvise"],
    ...["pidfd_getfd", "kcmp", "perf_event_open", "process_mrelease"],
  ],
  mounting: [
    ...["mount", "umount2", "pivot_root", "open_tree", "move_mount"],
    ...["fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"],
    ...["open_tree_attr", "open_by_handle_at", "fanotify_init"],
  ],
  /** Of containers: their root is a way to more of the kernel than any other user has. */
  namespaces: ["unshare", "setns"],
  kernel: [
    ...["init_module", "finit_module", "delete_module", "create_module"],
    ...["kexec_load", "kexec_file_load", "bpf", "userfaultfd", "syslog"],
    ...["keyctl", "add_key", "request_key"],
    // A way around every filter: the kernel makes the calls itself.
    ...["io_uring_setup", "io_uring_enter", "io_uring_register"],
    ...["uselib", "nfsservctl", "lookup_dcookie", "_sysctl", "ustat", "sysfs"],
  ],
  machine: [
    ...["reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd"],
    ...["settimeofday", "clock_settime", "clock_adjtime", "adjtimex"],
    ...["sethostname", "setdomainname", "iopl", "ioperm", "modify_ldt"],
    ...["vhangup", "migrate_pages", "move_pages", "set_mempolicy", "mbind"],
  ],
};

/** Where children of ours could be, so that one connection cannot end another's process. */
const SIGNALS = [
  ...["kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"],
  "pidfd_send_signal",
];
const EXECUTION = ["execve", "execveat"];
/** A connection that was taken apart could be led elsewhere: not only new sockets reach others. */
const SOCKETS = ["connect", "bind", "listen"];

const AF_NETLINK = 16; // sys/socket.h
const SOCK_DGRAM = 2; // bits/socket_type.h
const SOCK_TYPE = 0xf;
/** sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
export const NEW_NAMESPACES = 0x7e020000;
/** asm-generic/ioctls.h: TIOCSTI, TIOCLINUX, which type into the terminal that the server was started from. */
const TYPING = [0x5412, 0x541c];

/** Who the filter is for. */
export interface Subject {
  /** What a person granted. */
  readonly grants: readonly string[];
  /** Whether it becomes a program, which runs others and opens sockets as it likes. */
  readonly isProgram: boolean;
  /** Its process id, where the filter is for this process alone; it may send itself signals. */
  readonly pid: number | null;
}

/**
 * The policy.
 *
 * @param subject Who it is for.
 * @returns What becomes of each system call.
 */
export function defaultPolicy(
  { grants, isProgram, pid }: Subject,
): Policy {
  const may = (...kinds: PermissionKind[]) =>
    isProgram || grants.some((grant) => kinds.includes(grantKind(grant)!));
  const refuse = (call: string, ...checks: Check[]) => ({
    call,
    checks,
    verdict: refused,
  });
  const rules = Object.values(NEVER).flat().map((call) => refuse(call));
  rules.push({
    call: "clone",
    checks: [{ argument: 0, has: NEW_NAMESPACES, then: refused }],
    verdict: allow,
  });
  // How daemons such as `rsync --daemon` and `sshd -i` enclose themselves: nothing else of theirs is refused.
  if (!isProgram) rules.push(refuse("chroot"));
  // Its flags are in memory, where a filter cannot look: the C library then takes clone(2).
  rules.push({ call: "clone3", checks: [], verdict: VERDICTS.missing });
  rules.push({
    call: "ioctl",
    checks: TYPING.map((is) => ({ argument: 1, is, then: refused })),
    verdict: allow,
  });
  if (!may("run")) {
    rules.push(...[...EXECUTION, ...SIGNALS].map((call) => refuse(call)));
    const own = pid === null ? [] : [{ argument: 0, is: pid, then: allow }];
    rules.push(refuse("tgkill", ...own)); // how abort(3) ends a process, and threads change their user
  }
  if (!may("net", "import")) {
    // The interfaces of the machine are asked for over a socket of this family, which is bound.
    const sys = may("sys");
    const asks = { argument: 0, is: AF_NETLINK, then: allow };
    rules.push(
      ...SOCKETS.filter((call) => !(sys && call === "bind")).map((call) =>
        refuse(call)
      ),
      sys ? refuse("socket", asks) : refuse("socket"),
    );
    // A pair of these can be sent to anybody's address.
    const within = SOCK_TYPE;
    rules.push({
      call: "socketpair",
      checks: [{ argument: 1, is: SOCK_DGRAM, within, then: refused }],
      verdict: allow,
    });
  }
  return { rules, others: allow, foreign: VERDICTS.kill };
}
