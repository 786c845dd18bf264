import assert from "node:assert/strict";
import { isAlive } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";
import { Client } from "./test_client.ts";
import { echo, Gate, receive, send, TestServer } from "./test_server.ts";

test("client: a server that hangs up ends the writer, though the input stays open", async () => {
  await using server = new TestServer(async (conn) => {
    await send(conn, await receive(conn, 4));
    await hangUp.opened;
  });
  using hangUp = new Gate();
  await using client = new Client(server.args);
  await client.type("one\n");
  const writer = await client.writer();
  assert.ok(isAlive(writer));
  hangUp.open();
  const { code, stdout, stderr } = await client.result();
  assert.deepEqual([code, stdout, stderr], [
    0,
    "Message from server: one\n",
    "",
  ]);
  assert.ok(!isAlive(writer));
});

test("client: the writer ends when its parent is killed, though it waits for input", async () => {
  await using server = new TestServer(echo);
  await using client = new Client(server.args);
  await client.type("one\n");
  await client.hasPrinted("one\n");
  const writer = await client.writer();
  client.process.kill("SIGKILL");
  await until("the writer is gone", () => !isAlive(writer));
  await client.result();
});

test("client: the writer ends when its parent is killed, though the connection is full", async () => {
  await using server = new TestServer(() => end.opened);
  using end = new Gate();
  await using client = new Client([...server.args, "--raw"]);
  const writer = await client.writer();
  const { typed } = await client.typeUntilFull(server);
  client.process.kill("SIGKILL");
  await until("the writer is gone", () => !isAlive(writer));
  await typed;
});

test("client: the writer ends when the server hangs up, though the connection is full", async () => {
  await using server = new TestServer(() => end.opened);
  using end = new Gate();
  await using client = new Client([...server.args, "--raw"]);
  const writer = await client.writer();
  const { typed } = await client.typeUntilFull(server);
  end.open();
  const { code, stderr } = await client.result();
  assert.match(stderr, /^error: [^\n]+\n$/);
  assert.equal(code, 1);
  assert.ok(!isAlive(writer));
  await typed;
});

test("client: a writer that is killed is told", async () => {
  await using server = new TestServer(echo);
  await using client = new Client(server.args);
  await client.type("one\n");
  const writer = await client.writer();
  Deno.kill(writer, "SIGKILL");
  const { code, stderr } = await client.result();
  assert.match(
    stderr,
    /^error: The writing process exited before the end of input: killed by SIGKILL: \d bytes were sent\n$/,
  );
  assert.equal(code, 1);
});

test("client: an output that nobody reads any more ends it quietly, and the writer", async () => {
  await using server = new TestServer(async (conn) => {
    await go.opened;
    for (;;) { // until the client has gone: its pipe is closed a moment after we asked for it
      await send(conn, "lost\n");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  using go = new Gate();
  await using client = new Client(server.args);
  const writer = await client.writer();
  await client.closeOutput();
  go.open();
  const { code, stderr } = await client.result();
  assert.deepEqual([stderr, code], ["", 141]); // as what SIGPIPE ends
  assert.ok(!isAlive(writer));
});
