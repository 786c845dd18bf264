import assert from "node:assert/strict";
import { randomBytes, sameBytes, test } from "../helpers/testing.ts";
import { Client, runClient, runRedirected } from "./test_client.ts";
import { echo, Gate, receive, send, TestServer } from "./test_server.ts";

const MIB = 2 ** 20;

test("lock-step: a line is sent when the one before has come back whole", async () => {
  let early = true;
  await using server = new TestServer(async (conn) => {
    const line = await receive(conn, 4);
    await send(conn, line.slice(0, 2));
    const next = receive(conn, 4).then((text) => {
      early = !opened;
      return text;
    });
    await gate.opened;
    opened = true;
    await send(conn, line.slice(2));
    await send(conn, await next);
  });
  let opened = false;
  using gate = new Gate();
  await using client = new Client([...server.args, "--lock-step"]);
  await client.type("one\ntwo\n");
  await client.hasPrinted("on");
  gate.open();
  const { code, stdout } = await client.result();
  assert.equal(stdout, "Message from server: one\nMessage from server: two\n");
  assert.deepEqual([code, early], [0, false]);
});

test("lock-step: the last line needs no newline", async () => {
  await using server = new TestServer(echo);
  const { code, stdout } = await runClient(
    [...server.args, "--lock-step"],
    "one\ntwo",
  );
  assert.equal(stdout, "Message from server: one\nMessage from server: two");
  assert.equal(code, 0);
});

test("lock-step: the quit line ends the sending", async () => {
  let got = "";
  await using server = new TestServer(async (conn) => {
    got = await receive(conn, 4);
    await send(conn, got);
    got += await receive(conn);
  });
  await using client = new Client([...server.args, "--lock-step"]);
  await client.type("one\nq\nrest\n");
  assert.equal((await client.result()).code, 0);
  assert.equal(got, "one\n");
});

test("lock-step: starts no second process", async () => {
  await using server = new TestServer(async (conn) => {
    await send(conn, await receive(conn, 4));
    await served.opened;
  });
  using served = new Gate();
  await using client = new Client([...server.args, "--lock-step"]);
  await client.type("one\n");
  await client.hasPrinted("one\n");
  assert.deepEqual(client.children(), []);
  served.open();
  assert.equal((await client.result()).code, 0);
});

test("lock-step --raw: 8 MiB without a newline come back exactly", async () => {
  await using server = new TestServer(echo);
  const input = randomBytes(8 * MIB).map((byte) => byte === 0x0a ? 0 : byte);
  const { code, bytes } = await runClient([
    ...server.args,
    "--lock-step",
    "--raw",
  ], input);
  assert.deepEqual([code, bytes.length], [0, input.length]);
  assert.ok(sameBytes(bytes, input));
});

test("lock-step: a server that hangs up is told, though the input stays open", async () => {
  await using server = new TestServer(async (conn) => {
    await send(conn, (await receive(conn, 40)).slice(0, 12));
  });
  await using client = new Client([...server.args, "--lock-step"]);
  await client.type("x".repeat(39) + "\n");
  const { code, stderr } = await client.result();
  assert.equal(
    stderr,
    "error: Server closed the connection: 12 of 40 bytes came back\n",
  );
  assert.equal(code, 1);
});

test("lock-step: an input that cannot be read is told", async () => {
  await using server = new TestServer(echo);
  const { code, stderr } = await runRedirected(
    [...server.args, "--lock-step"],
    "</",
  );
  assert.equal(
    stderr,
    "error: Cannot read standard input: is a directory (EISDIR)\n",
  );
  assert.equal(code, 1);
});
