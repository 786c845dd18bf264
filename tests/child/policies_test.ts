/**
 * Every system call, and every command of those that have some, under every policy: a new hole is a changed
 * line of `policies.txt`. MPSERV_TEST_UPDATE=1 writes that file anew.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { assemblePolicy, VERDICTS } from "../../src/posix/seccomp/filter.ts";
import {
  AUDIT_ARCH,
  type Processor,
  systemCalls,
} from "../../src/posix/seccomp/system_call_numbers.ts";
import { CALL_GROUPS, LEVEL_POLICIES } from "../../src/sandbox/policies.ts";
import { run } from "../helpers/filter_machine.ts";
import { test } from "../helpers/testing.ts";

const { default: defaultPolicy, strict: strictPolicy } = LEVEL_POLICIES;

const FILE = fileURLToPath(new URL("./policies.txt", import.meta.url));
const PROCESSORS: readonly Processor[] = ["x86_64", "aarch64"];
/** The filtered process's own pid, and a descriptor that is the server's log. */
const PID = 7, LOG = 2;
const ALL = 0xffffffff;

const handler = (...grants: string[]) => ({
  ...{ grants, isProgram: false, pid: PID, files: [LOG] },
});
const attributes = {
  ...{
    user: { uid: 1, gid: 1, groups: [] },
    directory: "/",
    umask: 0,
    nice: 1,
  },
  limits: {},
};
const strict = { attributes: undefined, isHandler: false, pid: PID };

/** The columns of the table. */
const POLICIES = {
  strict: strictPolicy(strict),
  "strict handler": strictPolicy({ ...strict, isHandler: true }),
  "strict zygote": strictPolicy({ ...strict, pid: null }),
  "strict as user": strictPolicy({ ...strict, attributes }),
  "default": defaultPolicy(handler()),
  "default zygote": defaultPolicy({ ...handler(), pid: null }),
  "default as user": defaultPolicy({ ...handler(), attributes }),
  "grant read": defaultPolicy(handler("read")),
  "grant write": defaultPolicy(handler("write")),
  "grant net": defaultPolicy(handler("net")),
  "grant run": defaultPolicy(handler("run")),
  "grant sys": defaultPolicy(handler("sys")),
  program: defaultPolicy({ ...handler(), isProgram: true }),
  "strict that rewinds": strictPolicy({ ...strict, pid: null, rewinds: true }),
  "strict handler that rewinds": strictPolicy({
    ...strict,
    isHandler: true,
    pid: null,
    rewinds: true,
  }),
  "default that rewinds": defaultPolicy({
    ...handler(),
    pid: null,
    rewinds: true,
  }),
};

const LETTERS = new Map<number, string>([
  [VERDICTS.allow, "+"],
  [VERDICTS.refuse, "-"],
  [VERDICTS.notify, "X"],
  [VERDICTS.missing, "0"],
]);

/** The result of each policy for a call: one letter per column. */
function speakers(processor: Processor) {
  const programs = Object.values(POLICIES).map((policy) =>
    assemblePolicy(policy, processor)
  );
  const numbers = systemCalls(processor);
  const arch = AUDIT_ARCH[processor];
  return (call: string, ...args: number[]): string | null => {
    const number = numbers.get(call);
    if (number === undefined) return null;
    return programs.map((program) =>
      LETTERS.get(run(program, { arch, number, args })) ?? "?"
    ).join(" ");
  };
}

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
const hex = (number: number) => `0x${number.toString(16)}`;

/** Rows of arguments: the call, the words that name them, and they themselves. */
type Row = readonly [call: string, words: string, ...args: number[]];

const COMMANDS: readonly Row[] = [
  ...[...range(0, 63), ...range(1024, 1055)].map((n): Row => [
    ...["fcntl", `${n}`] as const,
    ...[9, n, 0],
  ]),
  ["fcntl", "F_SETFL O_ASYNC", 9, 4, 0o20000],
  ["fcntl", "F_SETFL O_NONBLOCK", 9, 4, 0o4000],
  ["fcntl", "F_DUPFD of the log", LOG, 0, 9],
  ["fcntl", "F_DUPFD_CLOEXEC of the log", LOG, 1030, 9],
  ...[
    ...range(0x5400, 0x54ff),
    ...range(0x8900, 0x89ff),
    ...[0x40049409, 0xc0606610, 0x4004667f],
  ].map((n): Row => ["ioctl", hex(n), 0, n]),
  ...[...range(0, 100), 0x53564d41, 0x59616d61].map((
    n,
  ): Row => ["prctl", n > 100 ? hex(n) : `${n}`, n]),
  ...[0, PID, 1, ALL].flatMap((n): Row[] =>
    [
      ...["prlimit64", "sched_setaffinity", "sched_setparam"],
      ...["sched_setscheduler", "sched_setattr", "tgkill"],
    ].map((call) => [call, `of ${n === ALL ? -1 : n}`, n])
  ),
  ...range(0, 2).flatMap((which) =>
    [0, PID].flatMap((who): Row[] => [
      ["setpriority", `${which} ${who}`, which, who],
      ["ioprio_set", `${which} ${who}`, which, who],
    ])
  ),
  ...range(0, 46).flatMap((family) =>
    [[1, 0], [1, 6], [1, 132], [1, 262], [2, 0], [2, 17], [2, 1], [3, 0], [
      3,
      4,
    ], [5, 0]].map(([type, protocol]): Row => [
      "socket",
      `${family} ${type} ${protocol}`,
      ...[family, type!, protocol!],
    ])
  ),
  ...[1, 2, 5].map((type): Row => ["socketpair", `1 ${type}`, 1, type]),
  ...[["a thread", 0x3d0f00], ["fork", 0x01200011], ["plain", 17], [
    "a sibling",
    0x01208011,
  ]].map((
    [word, flags],
  ): Row => ["clone", `${word}`, flags as number]),
  ...[
    0x80,
    0x20000,
    0x2000000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
  ]
    .map((flag): Row => [
      ...["clone", `a thread in a namespace ${hex(flag)}`] as const,
      0x3d0f00 | flag,
    ]),
  ...[0, 1, 2, 0o100, 0o1000, 0o2000, 0o200000, 0o10000000, 0o20200002].flatMap(
    (
      flags,
    ): Row[] => [
      ["openat", `0o${flags.toString(8)}`, 0, 0, flags],
      ["open", `0o${flags.toString(8)}`, 0, flags],
    ],
  ),
  ...["sendto", "sendmsg", "sendmmsg"].flatMap((call): Row[] => {
    const at = call === "sendmsg" ? 2 : 3;
    const args = (flags: number) => [...Array(at).fill(0), flags];
    return [[call, "plain", ...args(0x4000)], [
      call,
      "MSG_FASTOPEN",
      ...args(0x20000000),
    ]];
  }),
  ...[0, 8, ALL].map((n): Row => ["personality", hex(n), n]),
  ...[
    ...["ftruncate", "fallocate", "fchmod", "fchown", "fsetxattr", "dup"],
    ...["dup2", "dup3", "fremovexattr", "utimensat", "sync_file_range"],
    ...["fchmodat2", "fchownat", "setxattrat", "removexattrat"],
  ].flatMap((call): Row[] => [[call, "the log", LOG], [call, "a file", 9]]),
];

/** Rows that follow one another and say the same become one. */
function table(): string[] {
  const [says, saysToo] = PROCESSORS.map(speakers);
  const lines: string[] = [];
  const names = new Set(
    PROCESSORS.flatMap((processor) => [...systemCalls(processor).keys()]),
  );
  const both = (call: string, ...args: number[]) => {
    const verdicts = [says!(call, ...args), saysToo!(call, ...args)]
      .filter((found) => found !== null);
    assert.equal(new Set(verdicts).size, 1, `${call}: ${verdicts.join(" / ")}`);
    return verdicts[0]!;
  };
  for (const call of [...names].sort()) {
    const few = both(call, 0, 0, 0, 0, 0, 0);
    const many = both(call, ALL, ALL, ALL, ALL, ALL, ALL);
    lines.push(`${few}  ${call}${few === many ? "" : " of zeros"}`);
    if (few !== many) lines.push(`${many}  ${call} of ones`);
    let last = "", start = "", end = "";
    const flush = () => {
      if (start) {
        lines.push(
          `${last}    ${call} ${start}${start === end ? "" : ` … ${end}`}`,
        );
      }
    };
    for (
      const [, words, ...args] of COMMANDS.filter(([name]) => name === call)
    ) {
      const said = both(call, ...args);
      if (said !== last) {
        flush();
        [last, start] = [said, words];
      }
      end = words;
    }
    flush();
  }
  return lines;
}

test("policies: each call, and each command, is allowed and refused as policies.txt says", () => {
  const columns = Object.keys(POLICIES);
  const text = [
    "+ allowed   - refused (EPERM)   X ends the process   0 as if the kernel had none (ENOSYS)",
    ...columns.map((name, i) => `${"| ".repeat(i)}${name}`),
    ...table(),
    "",
  ].join("\n");
  if (Deno.env.get("MPSERV_TEST_UPDATE")) Deno.writeTextFileSync(FILE, text);
  assert.deepEqual(text.split("\n"), Deno.readTextFileSync(FILE).split("\n"));
});

test("policies: each call stands in one place of the list, with a reason", () => {
  const listed = CALL_GROUPS.flatMap(({ calls }) => calls.split(/\s+/));
  assert.equal(new Set(listed).size, listed.length, "none stands twice");
  const known = new Set(
    PROCESSORS.flatMap((one) => [...systemCalls(one).keys()]),
  );
  assert.deepEqual(listed.filter((call) => !known.has(call)), []);
  const elsewhere = [...known].filter((call) => !listed.includes(call));
  const commands = Deno.readTextFileSync(
    new URL("../../src/sandbox/command_rules.ts", import.meta.url),
  );
  for (const call of elsewhere) {
    const isNamed = commands.includes(`"${call}"`) ||
      call.startsWith("sched_set");
    assert.ok(isNamed, call);
  }
  for (const { why } of CALL_GROUPS) assert.notEqual(why, "");
});

test("policies: a call of a newer kernel is none, except that under strict it ends the process", () => {
  for (const processor of PROCESSORS) {
    for (const [name, policy] of Object.entries(POLICIES)) {
      const program = assemblePolicy(policy, processor);
      const arch = AUDIT_ARCH[processor];
      for (const number of [600, 1000]) {
        const verdict = run(program, { arch, number });
        const expected = name.startsWith("strict") ? "notify" : "missing";
        assert.equal(verdict, VERDICTS[expected], `${name} ${number}`);
      }
    }
  }
});
