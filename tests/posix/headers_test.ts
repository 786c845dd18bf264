import assert from "node:assert/strict";
import * as posix from "../../src/posix/abi.ts";
import { LANDLOCK } from "../../src/posix/landlock_abi.ts";
import { controlSizes } from "../../src/posix/net/handover.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

const { abi } = posix;

/** The values of `src/posix/abi.ts` for this system, by their C names. */
function ours(): Record<string, number> {
  const { message } = abi;
  const named = Object.entries({ ...abi, ...posix, ...abi.errno }).filter((
    entry,
  ): entry is [string, number] =>
    /^[A-Z0-9_]+$/.test(entry[0]) && typeof entry[1] === "number" &&
    // Not in the header of both systems: 0 says that there is none.
    entry[1] !== 0 && entry[0] !== "CHANNEL_TYPE"
  );
  const head = (name: string) => `offsetof(struct msghdr, ${name})`;
  return {
    ...Object.fromEntries(named),
    "sizeof(struct msghdr)": message.size,
    [head("msg_iov")]: message.iov,
    [head("msg_iovlen")]: message.iovLength,
    [head("msg_control")]: message.control,
    [head("msg_controllen")]: message.controlLength,
    [head("msg_flags")]: message.flags,
    "sizeof(((struct msghdr *)0)->msg_iovlen)": message.iovLengthBytes,
    "sizeof(((struct msghdr *)0)->msg_controllen)": message.controlLengthBytes,
    "sizeof(((struct cmsghdr *)0)->cmsg_len)": message.controlLengthBytes,
    "offsetof(struct cmsghdr, cmsg_level)": message.cmsgLevel,
    "offsetof(struct cmsghdr, cmsg_type)": message.cmsgLevel + 4,
    "CMSG_LEN(0)": message.cmsgData,
    "CMSG_SPACE(4)": controlSizes(abi, 4).space,
    "CMSG_SPACE(12)": controlSizes(abi, 12).space,
    "offsetof(struct sockaddr, sa_family)": abi.sockaddrHasLength ? 1 : 0,
    "sizeof(((struct sockaddr *)0)->sa_family)": abi.sockaddrHasLength ? 1 : 2,
    "offsetof(struct sockaddr_in, sin_port)": 2,
    "offsetof(struct sockaddr_in, sin_addr)": 4,
    "offsetof(struct sockaddr_in6, sin6_addr)": 8,
    "offsetof(struct sockaddr_un, sun_path)": 2,
    "sizeof(struct timeval)": 16,
    "offsetof(struct timeval, tv_usec)": 8,
    "sizeof(struct rlimit)": 16,
    "sizeof(struct pollfd)": 8,
    "offsetof(struct pollfd, revents)": 6,
    "offsetof(struct passwd, pw_gid)": 20,
    "offsetof(struct group, gr_gid)": 16,
    SIG_UNBLOCK: abi.SIG_BLOCK + 1,
    SIG_SETMASK: abi.SIG_BLOCK + 2,
  };
}

const HEADERS =
  "errno fcntl grp netinet/in poll pwd signal stddef stdio sys/resource sys/socket sys/time sys/un sys/wait time"
    .split(" ").map((name) => `#include <${name}.h>`);

/** The same values from this system's headers. */
async function theirs(
  names: readonly string[],
  headers = HEADERS,
): Promise<Record<string, number>> {
  await using directory = temporaryDirectory();
  const program = `${directory.path}/numbers`;
  const lines = names.flatMap((name) => {
    const print = `  printf("%lld\\n", (long long)${name});`;
    // Headers may be older than what a kernel can.
    return name.startsWith("LANDLOCK_") && name !== "LANDLOCK_RULE_PATH_BENEATH"
      ? [`#ifdef ${name}`, print, "#else", '  puts("NaN");', "#endif"]
      : [print];
  });
  const source = [
    "#define _GNU_SOURCE",
    ...headers,
    "int main(void) {",
    ...lines,
    "  return 0;",
    "}",
    "",
  ];
  await Deno.writeTextFile(`${program}.c`, source.join("\n"));
  await run("cc", "-o", program, `${program}.c`);
  const numbers = (await run(program)).trim().split("\n").map(Number);
  return Object.fromEntries(names.map((name, i) => [name, numbers[i]!]));
}

async function run(program: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command(program, { args }).output();
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  assert.equal(output.code, 0, stderr);
  return stdout!;
}

test(
  "abi: every number and layout is that of this system's C headers",
  async () => {
    const table = ours();
    assert.ok(Object.keys(table).length > 80);
    assert.deepEqual(await theirs(Object.keys(table)), table);
  },
  { ignore: missing("numbers against C headers", "cc") },
);

test(
  "landlock: every number and layout is that of this system's C headers, as far as they know it",
  async () => {
    const ours = {
      ...Object.fromEntries(
        Object.entries(LANDLOCK).filter(([name]) => name !== "RULE_NET_PORT")
          .map(([name, value]) => [`LANDLOCK_${name}`, value]),
      ), // of an enumeration nobody can say whether it has a member
      "sizeof(struct landlock_path_beneath_attr)": 12,
      "offsetof(struct landlock_path_beneath_attr, parent_fd)": 8,
      "offsetof(struct landlock_ruleset_attr, handled_access_fs)": 0,
      "PR_SET_NO_NEW_PRIVS": 38,
      "O_PATH | O_CLOEXEC": 0o12000000,
    };
    const headers = [
      "fcntl",
      "linux/landlock",
      "linux/prctl",
      "stddef",
      "stdio",
    ];
    const found = await theirs(
      Object.keys(ours),
      headers.map((name) => `#include <${name}.h>`),
    );
    const known = Object.entries(ours).filter(([name]) =>
      !Number.isNaN(found[name])
    );
    assert.ok(known.length >= 18, `${known.length}`);
    assert.deepEqual(known.map(([name]) => [name, found[name]]), known);
  },
  {
    ignore: Deno.build.os !== "linux" ||
      missing("numbers against C headers", "cc"),
  },
);
