import assert from "node:assert/strict";
import {
  runCommand,
  type RunOptions,
  withDescriptors,
} from "../helpers/command.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";

/** The system refuses: exactly one line that says what and why and what to do, and exit code 1. */
async function isRefused(
  args: readonly string[],
  told: RegExp,
  options: RunOptions = {},
): Promise<void> {
  const { code, stdout, stderr } = await runCommand(
    ["serve", ...args],
    options,
  );
  assert.match(stderr, /^error: Cannot [^\n]+: [^\n]+: [^\n]+\n$/);
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|file:\/\/|Uncaught/);
  assert.match(stderr, told);
  assert.deepEqual([code, stdout], [1, ""]);
}

/** Whether ordinary users may bind every port here (containers often allow it). */
const everyPortIsOpen = (() => {
  const START = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  try {
    return Number(Deno.readTextFileSync(START)) < 2;
  } catch {
    return Deno.build.os === "darwin"; // macOS lets everybody since 10.14
  }
})();

/** Whether the test runs as root, who may do what is to be refused. */
const isRoot = Deno.uid() === 0;

test("serve: a port in use is refused", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  await isRefused(
    [String(port)],
    new RegExp(`"127.0.0.1:${port}": address already in use \\(EADDRINUSE\\)`),
  );
});

test("serve: an address of another machine is refused", async () => {
  await isRefused(
    ["0", "--host", "203.0.113.1"],
    /"203\.0\.113\.1:0": no such address on this machine \(EADDRNOTAVAIL\)/,
  );
});

test("serve: a name that nobody knows is refused", async () => {
  await isRefused(
    ["0", "--host", "no-such-host.invalid"],
    /"no-such-host\.invalid:0"/,
  );
});

test("serve: an IPv6 address is quoted in brackets", async () => {
  await isRefused(["0", "--host", "2001:db8::1"], /"\[2001:db8::1\]:0"/);
});

test("serve: a privileged port is refused to an ordinary user", async () => {
  // As root, only the right to bind is given up: another user might not be able to read this runtime.
  const drop = [
    "setpriv",
    "--bounding-set=-net_bind_service",
    "--inh-caps=-net_bind_service",
  ];
  await isRefused(
    ["1"],
    /"127\.0\.0\.1:1": permission denied \(EACCES\): use a port above 1023/,
    { through: isRoot ? drop : [] },
  );
}, { ignore: everyPortIsOpen });

test("serve: a Unix path in a missing directory is refused", async () => {
  await using directory = temporaryDirectory();
  await isRefused(
    ["--unix", `${directory.path}/missing/echo.sock`],
    /missing\/echo\.sock": no such directory/,
  );
});

test("serve: a Unix path that is too long is refused", async () => {
  await isRefused(
    ["--unix", `/tmp/${"x".repeat(120)}`],
    /x": the path is too long \(EINVAL\): use a shorter one/,
  );
});

test("serve: a control socket in a missing directory is refused by its own name", async () => {
  await using directory = temporaryDirectory();
  await isRefused(
    ["0", "--control", `${directory.path}/missing/a.sock`],
    /missing\/a\.sock": no such directory/,
  );
});

test("serve: a directory that may not be used is refused", async () => {
  await using directory = temporaryDirectory();
  Deno.chmodSync(directory.path, 0o000);
  // As root, only the right to enter and write anything is given up.
  const rights = "-dac_override,-dac_read_search";
  const through = isRoot
    ? ["setpriv", `--bounding-set=${rights}`, `--inh-caps=${rights}`]
    : [];
  await isRefused(
    ["0", "--chdir", directory.path],
    /Cannot change to ".*": permission denied \(EACCES\): check the path/,
    { through },
  );
  await isRefused(
    ["--unix", `${directory.path}/echo.sock`],
    /permission denied \(EACCES\): use a directory that you may write to/,
    { through },
  );
}, { ignore: Deno.build.os !== "linux" });

test("serve: too few descriptors are refused, with how many are needed", async () => {
  await isRefused(
    ["0"],
    /34 descriptors: at least \d+ are needed: raise the limit with `ulimit -n 1024`/,
    {
      through: withDescriptors(34),
    },
  );
});
