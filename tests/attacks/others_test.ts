/** Machine code in a handler's process reaches no port that was not granted, and no other process. */
import assert from "node:assert/strict";
import { landlockVersion } from "../../src/posix/landlock_abi.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { isAlive } from "../helpers/processes.ts";
import { models } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import {
  type Argument,
  intrude,
  type Intruder,
  startNative,
} from "./native.ts";

const [AF_UNIX, AF_INET, SOCK_STREAM] = [1, 2, 1];
const ignore = landlockVersion() < 6;

/** `struct sockaddr_in` of 127.0.0.1. */
function inet(port: number): Argument[] {
  return [[
    AF_INET,
    0,
    port >> 8,
    port & 255,
    127,
    0,
    0,
    1,
    ...Array(8).fill(0),
  ], 16];
}

/** `struct sockaddr_un` of an abstract name. */
function abstract(name: string): Argument[] {
  const bytes = [AF_UNIX, 0, 0, ...new TextEncoder().encode(name)];
  return [bytes, bytes.length];
}

/** The result of a call on a new socket. */
async function onSocket(
  intruder: Intruder,
  family: number,
  call: string,
  address: Argument[],
): Promise<number | string> {
  const fd = await intruder.call("socket", family, SOCK_STREAM, 0);
  if (typeof fd === "string") return fd;
  const result = await intruder.call(call, fd, ...address);
  await intruder.call("close", fd);
  return result;
}

for (const model of models()) {
  test(
    `attack (${model}): native code connects to, and listens on, the ports that were granted alone`,
    async () => {
      using granted = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const grant = `net=127.0.0.1:${granted.addr.port}`;
      await using server = await startNative(model, "--grant", grant);
      using intruder = await intrude(server);
      const connect = (port: number) =>
        onSocket(intruder, AF_INET, "connect", inet(port));
      assert.equal(await connect(granted.addr.port), 0);
      assert.equal(await connect(other.addr.port), "EACCES");
      assert.equal(await connect(server.port), "EACCES");
      const bind = await onSocket(intruder, AF_INET, "bind", inet(0));
      assert.equal(bind, "EACCES");
    },
    { ignore: ignore || isCompiled },
  );

  test(
    `attack (${model}): without --grant net, native code has no socket but its client's`,
    async () => {
      await using server = await startNative(model);
      using intruder = await intrude(server);
      for (const family of [AF_UNIX, AF_INET, 10, 16, 40]) {
        const result = await intruder.call("socket", family, SOCK_STREAM, 0);
        assert.equal(result, "EPERM", `family ${family}`);
      }
    },
  );

  test(
    `attack (${model}): with --grant run, native code signals nobody outside, and reaches no abstract socket there`,
    async () => {
      await using server = await startNative(model, "--grant", "run,net");
      using witness = await intrude(server);
      using intruder = await intrude(server);
      const own = await intruder.call("getpid");
      const others = [
        server.pid,
        Deno.pid,
        Number(await witness.call("getpid")),
        ...server.children().map(({ pid }) => pid),
      ].filter((pid) => pid !== own);
      assert.ok(others.length >= 3);
      for (const pid of others) {
        // Signal 0: whether it may, which in a failure must end nobody.
        assert.equal(await intruder.call("kill", pid, 0), "EPERM", `${pid}`);
        assert.ok(isAlive(pid));
      }
      assert.equal(await intruder.call("kill", Number(own), 0), 0);
      assert.equal(await witness.call("getppid") !== "the process ended", true);
      const name = `mpserv-test-${crypto.randomUUID()}`;
      using _listener = listenAbstract(name);
      const reached = await onSocket(
        intruder,
        AF_UNIX,
        "connect",
        abstract(name),
      );
      assert.equal(reached, "EPERM");
    },
    { ignore },
  );
}

/** The runtime has no words for such a name. */
function listenAbstract(name: string): Disposable {
  const libc = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    listen: { parameters: ["i32", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const { symbols } = libc;
  const [bytes, length] = abstract(name) as [number[], number];
  const fd = symbols.socket(AF_UNIX, SOCK_STREAM, 0);
  assert.equal(symbols.bind(fd, Uint8Array.from(bytes), length), 0);
  assert.equal(symbols.listen(fd, 1), 0);
  return {
    [Symbol.dispose]() {
      symbols.close(fd);
      libc.close();
    },
  };
}
