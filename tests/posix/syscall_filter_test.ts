/** Filters of system calls, run as the kernel would run them. */
import assert from "node:assert/strict";
import {
  assemblePolicy,
  type Policy,
  VERDICTS,
} from "../../src/posix/seccomp/filter.ts";
import {
  AUDIT_ARCH,
  type Processor,
  systemCalls,
} from "../../src/posix/seccomp/system_call_numbers.ts";
import {
  filterFor,
  LEVEL_POLICIES,
  makeFilter,
} from "../../src/sandbox/policies.ts";
import { keepForkableFilter } from "../../src/zygote/birth.ts";
import { run } from "../helpers/filter_machine.ts";
import { test } from "../helpers/testing.ts";

const { default: defaultPolicy, strict: strictPolicy, fence: fencePolicy } =
  LEVEL_POLICIES;

const PROCESSORS: readonly Processor[] = ["x86_64", "aarch64"];
const CLONE = { thread: 0x003d0f00, fork: 0x01200011, namespace: 0x10000011 };

/** Asks a policy, as assembled for a processor, about calls by name. */
function verdicts(policy: Policy, processor: Processor) {
  const program = assemblePolicy(policy, processor);
  const numbers = systemCalls(processor);
  const arch = AUDIT_ARCH[processor];
  return (name: string, ...args: number[]) => {
    const number = numbers.get(name);
    assert.ok(number !== undefined, name);
    const verdict = run(program, { arch, number, args });
    const [word] = Object.entries(VERDICTS).find(([, value]) =>
      value === verdict
    )!;
    return word;
  };
}

for (const processor of PROCESSORS) {
  test(`default policy (${processor}): a handler without grants`, () => {
    const subject = { grants: [], isProgram: false, pid: null };
    const says = verdicts(defaultPolicy(subject), processor);
    for (const call of ["read", "openat", "mmap", "epoll_ctl", "getpid"]) {
      assert.equal(says(call), "allow", call);
    }
    for (const call of ["ptrace", "mount", "chroot", "execve", "kill"]) {
      assert.equal(says(call), "refuse", call);
    }
    assert.equal(says("clone", CLONE.thread), "allow");
    assert.equal(says("clone", CLONE.fork), "allow");
    assert.equal(says("clone", CLONE.namespace), "refuse");
    assert.equal(says("clone3"), "missing");
    assert.equal(says("ioctl", 0, 0x5412), "refuse"); // TIOCSTI
    assert.equal(says("ioctl", 0, 0x541b), "allow"); // FIONREAD
    assert.equal(says("socket", 2, 1), "refuse");
    assert.equal(says("socketpair", 1, 0o2000001), "allow"); // SOCK_STREAM | SOCK_CLOEXEC
    assert.equal(says("socketpair", 1, 0o2000002), "refuse"); // SOCK_DGRAM | SOCK_CLOEXEC
    assert.equal(says("tgkill", 1, 1, 6), "refuse");
  });

  test(`default policy (${processor}): each grant opens its own calls`, () => {
    const of = (...grants: string[]) =>
      verdicts(
        defaultPolicy({ grants, isProgram: false, pid: 7 }),
        processor,
      );
    assert.equal(of("run=/bin/ls")("execve"), "allow");
    assert.equal(of("run")("socket", 2), "refuse");
    assert.equal(of("net=a:1")("socket", 2, 1, 0), "allow");
    assert.equal(of("net")("execve"), "refuse");
    assert.equal(of("sys")("socket", 16), "allow"); // AF_NETLINK
    assert.equal(of("sys")("socket", 2), "refuse");
    assert.equal(of()("tgkill", 7, 7, 6), "allow"); // itself
    assert.equal(of()("tgkill", 8, 8, 6), "refuse");
  });

  test(`default policy (${processor}): a program runs others, and is kept from the rest`, () => {
    const subject = { grants: [], isProgram: true, pid: null };
    const says = verdicts(defaultPolicy(subject), processor);
    for (const call of ["execve", "socket", "connect", "kill", "tgkill"]) {
      assert.equal(says(call), "allow", call);
    }
    const enclose = [
      "chroot",
      "setgroups",
      "setresgid",
      "setresuid",
      "seccomp",
    ];
    for (const call of [...enclose, "setuid", "capset", "setsid"]) {
      assert.equal(says(call), "allow", call);
    }
    assert.equal(says("unshare"), "refuse");
    assert.equal(says("mount"), "refuse");
  });

  test(`strict policy (${processor}): lets through what OpenSSH's does of memory, bytes and time, and asks about the rest`, () => {
    const subject = { attributes: undefined, isHandler: false, pid: 7 };
    const says = verdicts(strictPolicy(subject), processor);
    for (
      const call of [
        ...["brk", "clock_gettime", "close", "exit", "exit_group", "futex"],
        ...["getpid", "getrandom", "gettid", "getuid", "madvise", "mmap"],
        ...["mprotect", "mremap", "munmap", "nanosleep", "ppoll", "read"],
        ...["rt_sigprocmask", "shutdown", "write", "writev"],
      ]
    ) assert.equal(says(call), "allow", call);
    const numbers = systemCalls(processor);
    const asked = [...numbers.keys()].filter((call) => says(call) === "notify");
    for (
      const call of [
        ...["openat", "execve", "socket", "connect", "kill", "ptrace"],
        ...["unlinkat", "chdir", "setuid", "prctl", "seccomp"],
        ...["io_uring_setup", "readlinkat", "clone"],
      ]
    ) assert.ok(asked.includes(call), call);
    assert.equal(says("prlimit64", 8), "notify"); // of another process
    assert.ok(asked.length > 0.6 * numbers.size, `${asked.length}`);
    assert.equal(says("clone", CLONE.thread), "allow");
    assert.equal(says("clone", CLONE.fork), "notify");
    assert.equal(says("tgkill", 7), "allow");
    assert.equal(says("tgkill", 8), "notify");
    assert.equal(says("prctl", 15), "allow"); // PR_SET_NAME
  });

  test(`strict policy (${processor}): becoming another user is let through where it was asked for`, () => {
    const attributes = {
      user: { uid: 1, gid: 1, groups: [1] },
      umask: 0o22,
      limits: {},
    };
    const subject = { attributes, isHandler: true, pid: null };
    const says = verdicts(strictPolicy(subject), processor);
    for (const call of ["setuid", "setgid", "setgroups", "umask"]) {
      assert.equal(says(call), "allow", call);
    }
    assert.equal(says("chdir"), "notify");
    assert.equal(says("readlinkat"), "allow");
  });

  test(`strict policy (${processor}): a zygote forks, and its children behind their fence do not`, () => {
    const subject = { attributes: undefined, isHandler: false, pid: null };
    const zygote = verdicts(strictPolicy(subject), processor);
    const fence = verdicts(fencePolicy(), processor);
    assert.equal(zygote("clone", CLONE.fork), "allow");
    assert.equal(zygote("clone", CLONE.fork | CLONE.namespace), "notify");
    assert.equal(zygote("clone", 17), "notify");
    assert.equal(zygote("seccomp"), "allow");
    assert.equal(fence("clone", CLONE.fork), "kill");
    assert.equal(fence("clone", CLONE.thread), "allow");
    assert.equal(fence("read"), "allow");
  });

  test(`policies (${processor}): know calls of another architecture`, () => {
    const I386 = 0x40000003;
    const subject = { grants: [], isProgram: true, pid: null };
    const program = assemblePolicy(defaultPolicy(subject), processor);
    assert.equal(run(program, { arch: I386, number: 1 }), VERDICTS.kill);
    const X32_GETPID = 0x40000000 + 39;
    const arch = AUDIT_ARCH[processor];
    assert.equal(
      run(program, { arch, number: X32_GETPID }),
      processor === "x86_64" ? VERDICTS.kill : VERDICTS.missing,
    );
  });

  test(`memory filter (${processor}): only MADV_DONTFORK is passed over`, () => {
    const program = keepForkableFilter(processor);
    const number = systemCalls(processor).get("madvise")!;
    const arch = AUDIT_ARCH[processor];
    const say = (advice: number) =>
      run(program, { arch, number, args: [0, 0, advice] });
    assert.equal(say(10), VERDICTS.pretend);
    assert.equal(say(11), VERDICTS.allow);
  });
}

test("filters: one that is made for many is each one's with its process id, and a zygote's has none", () => {
  const service = { name: "echo" as const };
  for (const grants of [[], ["run"], ["net", "read"]]) {
    const subject = { grants, isProgram: false, pid: 7 };
    const plain = { service, grants };
    const make = (isStrict: boolean, isZygote: boolean) =>
      filterFor(7, makeFilter(plain, isStrict, isZygote));
    const { arch } = Deno.build;
    const own = assemblePolicy(defaultPolicy(subject), arch);
    assert.deepEqual(make(false, false), own);
    const strict = { isHandler: false, pid: 7 };
    assert.deepEqual(
      make(true, false),
      assemblePolicy(strictPolicy(strict), arch),
    );
    const zygote = { ...subject, pid: null };
    assert.deepEqual(
      make(false, true),
      assemblePolicy(defaultPolicy(zygote), arch),
    );
  }
});
