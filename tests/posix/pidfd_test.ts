/** Signals reach the process that is meant, and no other that got its number. */
import assert from "node:assert/strict";
import { hasChild } from "../../src/posix/forking.ts";
import { openDescriptors } from "../../src/posix/fd.ts";
import { ProcessHandle } from "../../src/posix/pidfd.ts";
import { getLimit, setLimit } from "../../src/posix/process.ts";
import { isAlive, processInfo } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";

const SIGTERM = 15, SIGKILL = 9;
/** Where the next process's number is decided, for root alone (CONFIG_CHECKPOINT_RESTORE). */
const LAST_PID = "/proc/sys/kernel/ns_last_pid";
const linuxOnly = { ignore: Deno.build.os !== "linux" };

/** A process that does nothing, and what it has started, if that was asked for. */
function idle(script = "exec sleep 1000"): Deno.ChildProcess {
  return new Deno.Command("setsid", { args: ["sh", "-c", script] }).spawn();
}

test("ProcessHandle: sends a signal, once the process is known to be ours", async () => {
  const process = idle();
  let isOurs = false;
  using handle = new ProcessHandle(process.pid, (pid) => {
    assert.equal(pid, process.pid);
    return isOurs;
  });
  assert.equal(handle.signal(SIGKILL), false);
  assert.ok(isAlive(process.pid));
  isOurs = true;
  assert.equal(handle.signal(SIGTERM), true);
  assert.equal((await process.status).signal, "SIGTERM");
  assert.equal(handle.signal(SIGTERM), false);
});

test("ProcessHandle: sends a signal to a group", async () => {
  const process = idle("sleep 1000 & wait");
  const group = () =>
    [...Deno.readDirSync("/proc")].map(({ name }) => processInfo(Number(name)))
      .filter((info) => info?.session === process.pid && info.state !== "Z");
  await until("both are there", () => group().length === 2);
  using handle = new ProcessHandle(process.pid, hasChild);
  assert.equal(handle.signalGroup(SIGKILL), true);
  await process.status;
  await until("nobody is left", () => group().length === 0);
  assert.equal(handle.signalGroup(SIGKILL), false);
}, linuxOnly);

test("ProcessHandle: without a descriptor to spare it looks whose process it is", async () => {
  const process = idle();
  const limit = getLimit("files");
  const [lowest = 0] = openDescriptors().slice(-1);
  setLimit("files", { soft: Math.min(lowest, 3), hard: limit.hard });
  const handle = new ProcessHandle(process.pid, hasChild);
  setLimit("files", limit);
  assert.equal(handle.signal(SIGKILL), true);
  await process.status;
  assert.equal(handle.signal(SIGKILL), false);
  handle.close();
});

test(
  "ProcessHandle: a process that got the number of another is not signalled",
  async () => {
    for (let tries = 0; tries < 100; tries++) {
      const one = idle("exit 0"); // each time another, since somebody else's process may keep the number
      const { pid } = one;
      using handle = new ProcessHandle(pid, () => true);
      await one.status;
      choosePid(pid);
      const other = idle();
      try {
        if (other.pid !== pid) continue; // somebody else's process came in between
        assert.equal(handle.signal(SIGKILL), false);
        assert.equal(handle.signalGroup(SIGKILL), false);
        assert.ok(isAlive(other.pid));
        return;
      } finally {
        other.kill("SIGKILL");
        await other.status;
      }
    }
    assert.fail("no process got the number");
  },
  { ignore: !canChoosePid() },
);

test("ProcessHandle: closing it leaves no descriptor", async () => {
  const process = idle();
  const before = openDescriptors().length;
  const handle = new ProcessHandle(process.pid, () => true);
  handle.close();
  handle.close();
  assert.equal(openDescriptors().length, before);
  process.kill("SIGKILL");
  await process.status;
});

/** The next process gets this number, unless another comes first. */
function choosePid(pid: number): boolean {
  const args = ["-c", `echo ${pid - 1} > ${LAST_PID}`];
  return new Deno.Command("sh", { args, stderr: "null" }).outputSync().success;
}

function canChoosePid(): boolean {
  if (choosePid(Deno.pid)) return true;
  const line = `SKIPPED: pids that are used again: cannot write ${LAST_PID}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return false;
}
