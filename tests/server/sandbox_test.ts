/** The system refuses calls of a serving process, whatever its code does. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runCommand } from "../helpers/command.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { isAlive, killNow, type ProcessInfo } from "../helpers/processes.ts";
import {
  anyModel,
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { systemCalls } from "../../src/posix/seccomp/system_call_numbers.ts";
import {
  connect,
  exchange,
  hold,
  receive,
  roundTrip,
} from "../helpers/wire_client.ts";

const HANDLER = await handlerFile(
  "../child/handlers/forbidden.ts",
  import.meta.url,
);
/** Words that run a command under a filter of `under_filter.ts`. */
function underFilter(name: "without-seccomp" | "with-listener"): string[] {
  const file = new URL("../helpers/under_filter.ts", import.meta.url);
  const run = [Deno.execPath(), "run", "--quiet", "-A"];
  return [...run, fileURLToPath(file), name];
}
const WITHOUT_SECCOMP = underFilter("without-seccomp");
const WITH_LISTENER = underFilter("with-listener");
const NEVER = [
  ...["ptrace", "process_vm_readv", "pidfd_getfd", "perf_event_open"],
  ...["mount", "umount2", "chroot", "open_tree", "fsopen", "unshare", "setns"],
  ...["init_module", "finit_module", "kexec_load", "bpf", "userfaultfd"],
  ...["keyctl", "add_key", "request_key", "io_uring_setup", "reboot"],
  ...["swapon", "settimeofday", "open_by_handle_at", "clone", "ioctl"],
];
const UNLESS_GRANTED = [
  ...["execve", "execveat", "kill", "tkill"],
  ...["socket", "connect", "bind", "listen", "socketpair"],
];

function start(model: Model, ...options: string[]): Promise<TestServer> {
  const args = ["--handler", HANDLER, ...options];
  return startServer({ model, args });
}

/** The result of each call, tried by a handler inside a child. */
async function attempts(
  server: TestServer,
  calls: readonly string[],
): Promise<Map<string, string>> {
  using conn = await connect(server.port);
  const lines = calls.map(asked).join("");
  const text = new TextDecoder().decode(
    await exchange(conn, new TextEncoder().encode(lines)),
  );
  const told = text.trim().split("\n").map((line) => line.split(/ (.*)/s));
  return new Map(told.map(([call, result]) => [call!, result!]));
}

/** A line for the handler, which can import nothing of ours. */
function asked(call: string): string {
  const made = call === "fork" ? "clone" : call;
  return `${call} ${systemCalls(Deno.build.arch).get(made)}\n`;
}

function all(calls: readonly string[], result: string): Map<string, string> {
  return new Map(calls.map((call) => [call, result]));
}

/** The kernel's data of a process. */
function facts(pid: number): string[] {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const limits = Deno.readTextFileSync(`/proc/${pid}/limits`);
  const field = (name: string) =>
    new RegExp(`^${name}:\\s*(\\d+)$`, "m").exec(status)?.[0];
  const core = /^Max core file size\s+(\S+)\s+(\S+)/m.exec(limits);
  return [
    field("NoNewPrivs"),
    field("Seccomp"),
    `core ${core?.[1]} ${core?.[2]}`,
  ].map((fact) => String(fact).replaceAll(/\s+/g, " "));
}

/** How many filters each of its system calls goes through (Linux 5.9). */
function filtersOf(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^Seccomp_filters:\s*(\d+)$/m.exec(status)?.[1]);
}

const LISTENER = "anon_inode:seccomp notify";
const ENTERED = ["NoNewPrivs: 1", "Seccomp: 2", "core 0 0"];

for (const model of models()) {
  test(`sandbox (${model}): refuses what nobody needs, and what was not granted`, async () => {
    await using server = await start(model, "--grant", "ffi");
    const calls = [...NEVER, ...UNLESS_GRANTED];
    assert.deepEqual(await attempts(server, calls), all(calls, "EPERM"));
    // The last one is not refused to anybody.
    const others = await attempts(server, ["clone3", "getpid"]);
    assert.deepEqual([...others.values()], ["ENOSYS", "done"]);
  });

  test(`sandbox (${model}): strict ends who makes any other call, or forks, and the log names it`, async () => {
    await using server = await start(
      model,
      ...["--sandbox", "strict", "--grant", "ffi"],
    );
    using other = await connect(server.port);
    await other.write(new TextEncoder().encode(asked("getpid")));
    assert.equal(
      new TextDecoder().decode(await receive(other, 12)),
      "getpid done\n",
    );
    const calls = ["openat", "socket", "execve", "clone"];
    for (const call of model === "spawn" ? calls.slice(0, 1) : calls) {
      using conn = await connect(server.port);
      const bytes = new TextEncoder().encode(asked("getpid") + asked(call));
      const said = await exchange(conn, bytes).catch(() => null); // or it is reset
      if (said) assert.equal(new TextDecoder().decode(said), "getpid done\n");
      const { message } = await server.log.waitFor(
        new RegExp(
          `its sandbox does not allow the system call ${call} \\(\\d+\\)`,
        ),
      );
      const pid = Number(/^Killed process (\d+):/.exec(message)?.[1]);
      const { reason } = await server.log.waitFor((line) =>
        line.message === "client disconnected..." && line.pid === pid
      );
      assert.equal(reason, "killed: SIGKILL");
    }
    {
      using conn = await connect(server.port);
      const bytes = new TextEncoder().encode(asked("fork"));
      const said = await exchange(conn, bytes).catch(() => null);
      assert.equal(said?.length ?? 0, 0);
      const { reason } = await server.endOf(conn);
      assert.match(String(reason), /^killed: SIG(KILL|SYS.*clone)/);
    }
    other.close();
  });

  test(`sandbox (${model}): a built-in service is under strict where it has one thread, with no new privileges and no core files`, async () => {
    await using server = await startServer({ model });
    using conn = await hold(server.port);
    assert.equal(await roundTrip(conn), "hello");
    const listens = server.descriptors().includes(LISTENER);
    assert.equal(listens, model !== "spawn", "the parent listens to it");
    const [child] = await server.servers();
    assert.deepEqual(facts(child!.pid), ENTERED);
  });

  test(`sandbox (${model}): who waits ends with the parent, even if it cannot see that`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    const name = model === "spawn" ? "mpserv:conn" : "mpserv:zygote";
    const inSandbox = ({ comm, pid, parent }: ProcessInfo) => {
      // A new child has its zygote's name for a moment, and does not wait.
      if (comm !== name || parent !== server.pid) return false;
      try {
        return facts(pid).join() === ENTERED.join();
      } catch {
        return false; // it has ended
      }
    };
    await until("somebody waits", () => server.children().some(inSandbox));
    const waiting = server.children().filter(inSandbox);
    for (const { pid } of waiting) Deno.kill(pid, "SIGSTOP");
    killNow(server.pid);
    await server.exit();
    try {
      await until(
        "they have ended",
        () => waiting.every(({ pid }) => !isAlive(pid)),
        10_000,
      );
    } finally {
      for (const { pid } of waiting) killNow(pid);
    }
  });

  test(`sandbox (${model}): a program runs others and has its signals and sockets`, async () => {
    if (model === "pool") return; // no programs
    const script =
      'grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status; ulimit -c; sleep 60 & kill $! && unshare -n true';
    await using server = await startServer({
      model,
      args: ["--", "sh", "-c", script],
    });
    using conn = await connect(server.port);
    const text = await exchange(conn, new Uint8Array(0));
    assert.deepEqual(
      new TextDecoder().decode(text).trim().split(/\s+/).join(" "),
      "NoNewPrivs: 1 Seccomp: 2 0",
    );
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.equal(reason, "exit code 1"); // of unshare
  });
}

for (const model of anyModel()) {
  test(`sandbox (${model}): lets through what was granted, and nothing else`, async () => {
    await using server = await start(model, "--grant", "ffi,run,net");
    const calls = [...NEVER, ...UNLESS_GRANTED];
    const found = await attempts(server, calls);
    const refused = calls.filter((call) => found.get(call) === "EPERM");
    assert.deepEqual(refused, NEVER);
    assert.equal(found.get("socket"), "done");
    assert.equal(found.get("kill"), "done");
  });
}

test("sandbox: off refuses nothing", async () => {
  const off = ["--sandbox", "off", "--grant", "ffi"];
  await using server = await start("spawn", ...off);
  const found = await attempts(server, ["unshare", "socket", "kill"]);
  assert.deepEqual(found, all(["unshare", "socket", "kill"], "done"));
});

test("sandbox: without filters in the kernel the log says so once, and connections are served", async () => {
  await using server = await startServer({ through: WITHOUT_SECCOMP });
  const said = () => server.log.where("Cannot filter system calls: ");
  assert.match(
    said()[0]!.message,
    /this kernel has no seccomp\(2\) \(ENOSYS\)/,
  );
  for (let i = 0; i < 2; i++) {
    using conn = await connect(server.port);
    assert.equal(await roundTrip(conn), "hello");
  }
  assert.equal(said().length, 1);
});

// A pool's zygote is that of `fork`.
for (const model of models().filter((name) => name !== "pool")) {
  test(`sandbox (${model}): where a container's manager listens already, the default filter does`, async () => {
    await using server = await startServer({ model, through: WITH_LISTENER });
    using conn = await hold(server.port);
    assert.equal(await roundTrip(conn), "hello");
    const [child] = await server.servers();
    assert.deepEqual(facts(child!.pid), ENTERED);
    const added = filtersOf(child!.pid) - filtersOf(server.pid);
    assert.equal(added, model === "spawn" ? 1 : 2); // a zygote has one for its memory
    const isListener = (link: string) => link === LISTENER;
    assert.equal(server.descriptors().filter(isListener).length, 1); // the manager's
    assert.ok(!server.descriptors(child!.pid).some(isListener));
    assert.deepEqual(
      server.log.lines.filter(({ level }) => level === "WARN"),
      [],
    );
  });

  test(`sandbox (${model}): strict where a container's manager listens is refused in one line`, async () => {
    const result = await runCommand(
      ["serve", "0", "--model", model, "--sandbox", "strict"],
      { through: WITH_LISTENER },
    );
    assert.match(
      result.stderr,
      /^error: [^\n]*Cannot use --sandbox strict: seccomp: [^\n]+ \(EBUSY\): leave the option out\n$/,
    );
    assert.equal(result.code, 1);
  });
}

for (
  const [what, code, args, told] of [
    [
      "without filters in the kernel",
      1,
      ["--sandbox", "strict"],
      /^error: Cannot use --sandbox strict: this kernel has no seccomp\(2\) \(ENOSYS\): leave the option out\n$/,
    ],
    [
      "with a program",
      2,
      ["--sandbox", "strict", "--", "cat"],
      /^error: Cannot use --sandbox strict with a program: [^\n]+\n$/,
    ],
    [
      "with a grant that it would take back",
      2,
      ["--sandbox", "strict", "--handler", HANDLER, "--grant", "ffi,net"],
      /^error: Cannot use --sandbox strict with --grant net: [^\n]+\n$/,
    ],
  ] as const
) {
  test(`sandbox: strict ${what} is refused in one line`, async () => {
    const through = code === 1 ? WITHOUT_SECCOMP : [];
    const result = await runCommand(["serve", "0", ...args], { through });
    assert.match(result.stderr, told);
    assert.equal(result.code, code);
  });
}
