/**
 * The calls of which it depends on their arguments who may make them: those with commands, those that
 * concern other processes or the server's own files, and those that open something. A part of the list in
 * `policies.ts`.
 *
 * @module
 */
import {
  type Check,
  type Condition,
  type Rule,
  VERDICTS,
} from "../posix/seccomp/filter.ts";
import { grantKind, type PermissionKind } from "../runtime/permissions.ts";
import type { ProcessAttributes } from "../wire/choices.ts";

const { allow, missing, notify, refuse } = VERDICTS;

export interface Subject {
  readonly grants: readonly string[];
  /** Whether it becomes a program, which runs others and opens sockets as it likes. */
  readonly isProgram: boolean;
  /** Whether it is under `strict`. */
  readonly isStrict: boolean;
  /** Its process id, where the filter is for this process alone; null where it also forks. */
  readonly pid: number | null;
  /** The user and limits that the process takes after the filter is installed. */
  readonly attributes?: ProcessAttributes | undefined;
  /** Whether it looks through its own memory, to rewind it. */
  readonly rewinds?: boolean | undefined;
  /** Descriptors of files that it has of the server, such as its log. */
  readonly files?: readonly number[];
}

/** Whether a program, or a handler by its grants. */
export function may(
  { grants, isProgram, isStrict }: Subject,
  ...kinds: readonly PermissionKind[]
): boolean {
  if (isProgram) return true;
  return !isStrict &&
    grants.some((grant) => kinds.includes(grantKind(grant)!));
}

/** asm-generic/fcntl.h, linux/fcntl.h: all but whom a descriptor signals (owner, signal, lease, directory). */
const FCNTL = {
  always: [
    ...[0, 1, 2, 3, 4], // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL
    ...[5, 6, 7], // F_GETLK, F_SETLK, F_SETLKW
    1030, // F_DUPFD_CLOEXEC
  ],
  handlers: [
    ...[36, 37, 38], // F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW
    ...[1027, 1028], // F_DUPFD_QUERY, F_CREATED_QUERY
    ...[1031, 1032, 1033, 1034], // F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
  ],
};
const F_SETFL = 4;
const O_ASYNC = 0o20000; // asm-generic/fcntl.h: signals whoever F_SETOWN named
const DUPLICATE = [0, 1030];

const TCGETS = 0x5401;

/** asm-generic/ioctls.h, linux/sockios.h, linux/fs.h: what asks, and what concerns the descriptor alone. */
const IOCTL = {
  always: [
    ...[0x5401, 0x5413, 0x541b], // TCGETS, TIOCGWINSZ, FIONREAD
    ...[0x5421, 0x5450, 0x5451], // FIONBIO, FIONCLEX, FIOCLEX
    0x8905, // SIOCATMARK
  ],
  /** SIOCGIFNAME, CONF, FLAGS, ADDR, BRDADDR, NETMASK, MTU, HWADDR, INDEX. */
  network: [
    ...[0x8910, 0x8912, 0x8913, 0x8915, 0x8919, 0x891b, 0x8921, 0x8927],
    0x8933,
  ],
  write: [0x40049409], // FICLONE
  /** Also of programs: TIOCSTI, TIOCLINUX type into the terminal that the server was started from. */
  typing: [0x5412, 0x541c],
  /** Of what a handler runs: a terminal's state, and whom a descriptor signals. */
  owners: [
    ...[0x5402, 0x5403, 0x5404, 0x5406, 0x5407, 0x5408], // TCSETS…, TCSETA…
    ...[0x5409, 0x540a, 0x540b, 0x540c, 0x540e], // TCSBRK, TCXONC, TCFLSH, TIOCEXCL, TIOCSCTTY
    ...[0x5410, 0x5414, 0x541d, 0x5422, 0x5423, 0x5437], // TIOCSPGRP, TIOCSWINSZ, TIOCCONS, TIOCNOTTY, TIOCSETD, TIOCVHANGUP
    ...[0x5452, 0x8901, 0x8902], // FIOASYNC, FIOSETOWN, SIOCSPGRP
  ],
};

/**
 * linux/fs.h: PAGEMAP_SCAN, which pages of a process are its own, by its file of `/proc`. Only the parent opens
 * that, and only that of the process itself.
 */
const PAGEMAP_SCAN = 0xc0606610;

/** linux/prctl.h: what a process may do to itself, or ask. */
const PRCTL = {
  always: [1, 15, 16, 0x53564d41], // PR_SET_PDEATHSIG, SET_NAME, GET_NAME, SET_VMA
  handlers: [
    ...[2, 3, 21, 23, 27], // GET_PDEATHSIG, GET_DUMPABLE, GET_SECCOMP, CAPBSET_READ, GET_SECUREBITS
    ...[29, 30, 38, 39], // SET_TIMERSLACK, GET_TIMERSLACK, SET_NO_NEW_PRIVS, GET_NO_NEW_PRIVS
    ...[41, 42, 52], // SET_THP_DISABLE, GET_THP_DISABLE, GET_SPECULATION_CTRL
    ...[50, 51, 54, 55, 56], // SVE_SET_VL, SVE_GET_VL, PAC_RESET_KEYS, SET_TAGGED_ADDR_CTRL, GET_…
  ],
  /** PR_SET_SECCOMP, SET_DUMPABLE, SET_CHILD_SUBREAPER, CAP_AMBIENT: of what a handler runs. */
  run: [4, 22, 36, 47],
};

/** From here on no other process of the user may look into this one. */
const PR_SET_DUMPABLE = 4;

/** sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACES = 0x7e020000;
const CLONE_THREAD = 0x00010000;
const CLONE_PARENT = 0x00008000; // a child for the zygote, or the server, to reap
/** fork(3) of the C library: CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, SIGCHLD. */
export const FORK = 0x01200011;

const [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] = [1, 2, 10, 16]; // bits/socket.h
const [SOCK_STREAM, SOCK_DGRAM, SOCK_TYPE] = [1, 2, 0xf]; // bits/socket_type.h
const MSG_FASTOPEN = 0x20000000; // connects past connect(2), where Landlock looks
const WRITING = 0o1103; // asm-generic/fcntl.h: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
/** The calls that change a file by its descriptor, the first argument. */
const CHANGES = [
  ...["ftruncate", "fallocate", "fchmod", "fchown", "fsetxattr"],
  ...["fremovexattr", "utimensat", "sync_file_range", "fchmodat2"],
  ...["fchownat", "setxattrat", "removexattrat", "file_setattr"],
];
const [PRIO_PROCESS, IOPRIO_WHO_PROCESS] = [0, 1]; // sys/resource.h, linux/ioprio.h
const ASK_PERSONALITY = 0xffffffff;

const is = (argument: number, value: number): Condition => ({
  argument,
  is: value,
});

/** The rules of these calls. */
export function commandRules(subject: Subject): Rule[] {
  const { isProgram, isStrict, pid, attributes, rewinds, files = [] } = subject;
  const no = isStrict ? notify : refuse;
  const rule = (call: string, verdict: number, ...checks: Check[]): Rule => ({
    call,
    checks,
    verdict,
  });
  const refused = (condition: Condition, ...and: Condition[]): Check => ({
    ...condition,
    and,
    then: no,
  });
  const allowed = (condition: Condition, ...and: Condition[]): Check => ({
    ...condition,
    and,
    then: allow,
  });
  const typing = IOCTL.typing.map((value) => refused(is(1, value)));
  // Its flags are in memory, where a filter cannot look: the C library then takes clone(2).
  const clone3 = rule("clone3", missing);
  if (isProgram) {
    return [
      clone3,
      rule("clone", allow, refused({ argument: 0, has: NEW_NAMESPACES })),
      rule("ioctl", allow, ...typing),
    ];
  }
  const grants = (...kinds: PermissionKind[]) => may(subject, ...kinds);
  const [run, write, net] = [
    grants("run"),
    grants("write"),
    grants("net", "import"),
  ];
  const self = pid === null ? [] : [allowed(is(0, pid))];
  const ofSelf = [allowed(is(0, 0)), ...self];
  const user = attributes?.user ? allow : no;
  const ofLog = files.map((fd) => refused(is(0, fd)));
  const copies = write ? ofLog : [];

  const commands = isStrict
    ? FCNTL.always
    : [...FCNTL.always, ...FCNTL.handlers];
  // A zygote's children have its filter; under `strict` they put up a fence.
  const forks = pid === null ? [allowed(is(0, FORK))] : [];
  const rules = [
    clone3,
    rule(
      "clone",
      run ? allow : no,
      refused({ argument: 0, has: NEW_NAMESPACES | CLONE_PARENT }),
      allowed({ argument: 0, has: CLONE_THREAD }),
      ...forks,
    ),
    rule(
      "fcntl",
      no,
      ...copies.flatMap((check) =>
        DUPLICATE.map((value) => ({ ...check, and: [is(1, value)] }))
      ),
      refused(is(1, F_SETFL), { argument: 2, has: O_ASYNC }),
      ...commands.map((value) => allowed(is(1, value))),
    ),
    ...["dup", "dup2", "dup3"].map((call) => rule(call, allow, ...copies)),
    rule(
      "prctl",
      no,
      ...[
        ...PRCTL.always,
        ...isStrict ? [] : PRCTL.handlers,
        ...run ? PRCTL.run : [],
      ].map((value) => allowed(is(0, value))),
      ...isStrict ? [] : [allowed(is(0, PR_SET_DUMPABLE), is(1, 0))],
    ),
    // A zygote has a filter for its memory beside this one, and each of its children leads a group of its own.
    rule("seccomp", run || pid === null ? allow : no),
    rule(
      "setpgid",
      run ? allow : no,
      ...pid === null ? [allowed(is(0, 0), is(1, 0))] : [],
    ),
    rule("prlimit64", no, ...ofSelf),
    rule("tgkill", run ? allow : no, ...self), // how abort(3) ends a process, and threads change their user
    rule("sendto", allow, refused({ argument: 3, has: MSG_FASTOPEN })),
    rule("sendmsg", allow, refused({ argument: 2, has: MSG_FASTOPEN })),
    // A pair of these can be sent to anybody's address.
    rule(
      "socketpair",
      allow,
      ...net
        ? []
        : [refused({ argument: 1, within: SOCK_TYPE, is: SOCK_DGRAM })],
    ),
    ...["setuid", "setgid", "setgroups"].map((call) => rule(call, user)),
    rule(
      "setpriority",
      no,
      ...isStrict && attributes?.nice === undefined
        ? []
        : [allowed(is(0, PRIO_PROCESS), is(1, 0))],
    ),
  ];
  // Its path would be in memory, where a filter cannot look, whatever its flags say.
  const scans = rewinds ? [allowed(is(1, PAGEMAP_SCAN))] : [];
  if (isStrict) {
    return [
      ...rules,
      rule("newfstatat", missing),
      rule("ioctl", no, allowed(is(1, TCGETS)), ...scans),
    ];
  }

  const writes = write || run ? [] : [WRITING];
  const ofFamily = (family: number, type: number, protocols: number[]) =>
    protocols.map((protocol) =>
      allowed(
        is(0, family),
        { argument: 1, within: SOCK_TYPE, is: type },
        is(2, protocol),
      )
    );
  const inet = [AF_INET, AF_INET6].flatMap((family) => [
    ...ofFamily(family, SOCK_STREAM, [0, 6]), // IPPROTO_TCP
    ...ofFamily(family, SOCK_DGRAM, [0, 17]), // IPPROTO_UDP
  ]);
  const named = run || (write && grants("read"));
  return [
    ...rules,
    rule("newfstatat", allow),
    rule(
      "ioctl",
      run ? allow : no,
      ...typing,
      ...run ? IOCTL.owners.map((value) => refused(is(1, value))) : [],
      ...[
        ...IOCTL.always,
        ...net || grants("sys") ? IOCTL.network : [],
        ...write ? IOCTL.write : [],
      ].map((value) => allowed(is(1, value))),
      ...scans,
    ),
    rule("open", allow, ...writes.map((has) => refused({ argument: 1, has }))),
    rule(
      "openat",
      allow,
      ...writes.map((has) => refused({ argument: 2, has })),
    ),
    rule("openat2", write || run ? allow : missing), // its flags are in memory
    rule(
      "socket",
      no,
      ...net ? inet : [],
      ...net && named ? [allowed(is(0, AF_UNIX))] : [],
      // The interfaces of the machine are asked for over NETLINK_ROUTE, and bound.
      ...net || grants("sys") ? [allowed(is(0, AF_NETLINK), is(2, 0))] : [],
    ),
    rule("bind", net || grants("sys") ? allow : no),
    rule("sendmmsg", allow, refused({ argument: 3, has: MSG_FASTOPEN })),
    rule("personality", no, allowed(is(0, ASK_PERSONALITY))),
    rule("ioprio_set", no, allowed(is(0, IOPRIO_WHO_PROCESS), is(1, 0))),
    ...["affinity", "param", "scheduler", "attr"].map((what) =>
      rule(`sched_set${what}`, no, ...ofSelf)
    ),
    ...write && ofLog.length > 0
      ? CHANGES.map((call) => rule(call, allow, ...ofLog))
      : [],
  ];
}
