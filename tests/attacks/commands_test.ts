/** Calls with commands: machine code signals nobody through a descriptor, and changes nobody's limits or log. */
import assert from "node:assert/strict";
import { isCompiled } from "../helpers/handler_file.ts";
import { isAlive } from "../helpers/processes.ts";
import { models } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { intrude, type Intruder, startNative } from "./native.ts";

const [F_SETFL, F_SETOWN, F_SETSIG, F_SETOWN_EX] = [4, 8, 10, 15];
const [O_ASYNC, O_NONBLOCK] = [0o20000, 0o4000];
const [FIOASYNC, FIOSETOWN, SIOCSPGRP] = [0x5452, 0x8901, 0x8902];
const RLIMIT_NOFILE = 7;
const STDOUT = 1;

/** Four bytes, as the kernel reads an int. */
const int = (value: number) => [
  ...new Uint8Array(new Int32Array([value]).buffer),
];

/** The results of all attempts that do not end with `refusal`. */
async function succeed(
  intruder: Intruder,
  attempts: readonly (readonly [string, ...(number | string | number[])[]])[],
): Promise<string[]> {
  const done: string[] = [];
  for (const [call, ...args] of attempts) {
    const result = await intruder.call(call, ...args);
    if (result !== "EPERM") done.push(`${call} ${args.join()}: ${result}`);
  }
  return done;
}

// A pool's workers are forked in the sandbox that those of `fork` have.
for (const model of models().filter((name) => name !== "pool")) {
  test(`attack (${model}): native code has no signal sent by a descriptor, to the parent or to another connection's process`, async () => {
    await using server = await startNative(model);
    using witness = await intrude(server);
    using intruder = await intrude(server);
    const victims = [server.pid, Number(await witness.call("getpid"))];
    const [end] = await pairOf(intruder);
    const done = await succeed(
      intruder,
      victims.flatMap((pid) => [
        ["fcntl", end!, F_SETOWN, pid],
        ["fcntl", end!, F_SETOWN_EX, [...int(1), ...int(pid)]],
        ["fcntl", end!, F_SETSIG, 9],
        ["fcntl", end!, F_SETFL, O_ASYNC | O_NONBLOCK],
        ["ioctl", end!, FIOSETOWN, int(pid)],
        ["ioctl", end!, SIOCSPGRP, int(pid)],
        ["ioctl", end!, FIOASYNC, int(1)],
      ]),
    );
    assert.deepEqual(done, []);
    assert.equal(await intruder.call("fcntl", end!, F_SETFL, O_NONBLOCK), 0);
    for (const pid of victims) assert.ok(isAlive(pid));
  });

  test(`attack (${model}): native code changes limits, priorities and processors of nobody else`, async () => {
    await using server = await startNative(model);
    using witness = await intrude(server);
    using intruder = await intrude(server);
    const victims = [server.pid, Number(await witness.call("getpid"))];
    const limits = [3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    const done = await succeed(
      intruder,
      victims.flatMap((pid) => [
        ["prlimit64", pid, RLIMIT_NOFILE, limits, 0],
        ["setpriority", 0, pid, 19],
        ["ioprio_set", 1, pid, 0x6000],
        ["sched_setscheduler", pid, 5, int(0)],
        ["sched_setaffinity", pid, 8, Array(8).fill(255)],
        ["kill", pid, 0],
        ["ptrace", 16, pid, 0, 0],
        ["process_vm_readv", pid, 0, 0, 0, 0],
      ]),
    );
    assert.deepEqual(done, []);
  });

  test(`attack (${model}): native code cannot empty or open up the server's files that it has open`, async () => {
    await using directory = temporaryDirectory();
    const log = `${directory.path}/log`;
    const through = ["/bin/sh", "-c", `exec "$@" >${log}`, "sh"];
    const write = `write=${directory.path}/out`;
    Deno.mkdirSync(`${directory.path}/out`);
    for (const grants of isCompiled ? [[]] : [[], ["--grant", write]]) {
      await using server = await startNative(model, { through }, ...grants);
      Deno.writeTextFileSync(log, "said");
      Deno.chmodSync(log, 0o600);
      using intruder = await intrude(server);
      const done = await succeed(intruder, [
        ["ftruncate", STDOUT, 0],
        ["fchmod", STDOUT, 0o777],
        ["fchown", STDOUT, 1, 1],
        ["fallocate", STDOUT, 0, 0, 1000],
        ["fsetxattr", STDOUT, "user.x", "y", 1, 0],
      ]);
      assert.deepEqual(done, []);
      if (grants.length > 0) {
        assert.equal(await intruder.call("dup", STDOUT), "EPERM");
        assert.equal(await intruder.call("fcntl", STDOUT, 0, 100), "EPERM");
      }
      // Past the descriptor: by its path, and by that of the descriptor.
      for (const path of [log, `/proc/self/fd/${STDOUT}`]) {
        const found = await intruder.call("openat", -100, path, 0o1001);
        assert.ok(found === "EPERM" || found === "EACCES", `${path}: ${found}`);
      }
      assert.equal(Deno.readTextFileSync(log), "said");
      assert.equal(Deno.statSync(log).mode! & 0o777, 0o600);
    }
  });

  test(`attack (${model}): under strict, native code learns of no file by a path`, async () => {
    await using server = await startNative(model, "--sandbox", "strict");
    using intruder = await intrude(server);
    const buffer = Array(200).fill(0);
    const AT_EMPTY_PATH = 0x1000;
    const args = [-100, "/etc/passwd", buffer, AT_EMPTY_PATH] as const;
    assert.equal(await intruder.call("newfstatat", ...args), "ENOSYS");
  });
}

/** Both ends of a new pair. */
async function pairOf(intruder: Intruder): Promise<number[]> {
  // Descriptors are given out from the lowest: what a duplicate gets, the pair gets then.
  const free = Number(await intruder.call("dup", 2));
  await intruder.call("close", free);
  assert.equal(await intruder.call("socketpair", 1, 1, 0, Array(8).fill(0)), 0);
  return [free];
}
