import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { poll } from "../../src/posix/io.ts";
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { accept, setBacklog } from "../../src/posix/net/sockets.ts";
import { test, within } from "../helpers/testing.ts";
import { deafPort } from "../helpers/wire_client.ts";
import { Client, runClient, runRedirected } from "./test_client.ts";
import { echo, receive, send, TestServer } from "./test_server.ts";

test("client: a server that hangs up before all came back is told", async () => {
  await using server = new TestServer(async (conn) => {
    await send(conn, (await receive(conn, 40)).slice(0, 12));
  });
  await using client = new Client(server.args);
  await client.type("x".repeat(39) + "\n");
  const { code, stderr } = await client.result();
  assert.equal(
    stderr,
    "error: Server closed the connection: 12 of 40 bytes came back\n",
  );
  assert.equal(code, 1);
});

test("client --raw: a server that hangs up is no error", async () => {
  await using server = new TestServer((conn) => send(conn, "the time"));
  await using client = new Client([...server.args, "--raw"]);
  const { code, stdout, stderr } = await client.result();
  assert.deepEqual([code, stdout, stderr], [0, "the time", ""]);
});

test("client: a reset is told", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using client = new Client(["127.0.0.1", `${listener.addr.port}`]);
  await client.type("x".repeat(40));
  await client.writer();
  // Closing a connection with unread bytes resets it.
  const fd = findListener(listener.addr);
  poll([{ fd, events: abi.POLLIN }], 30_000);
  using conn = accept(fd)!.fd;
  poll([{ fd: conn.number, events: abi.POLLIN }], 30_000);
  conn.close();
  const { code, stderr } = await client.result();
  assert.equal(
    stderr,
    "error: Lost the connection: connection reset by peer (ECONNRESET): 0 of 40 bytes came back\n",
  );
  assert.equal(code, 1);
});

test("client: a refused connection is told", async () => {
  using deaf = deafPort();
  const { port } = deaf;
  const { code, stderr } = await runClient(["127.0.0.1", `${port}`]);
  assert.equal(
    stderr,
    `error: Cannot connect to "127.0.0.1:${port}": connection refused (ECONNREFUSED): is the server running?\n`,
  );
  assert.equal(code, 1);
});

test("client: a host that nobody knows is told", async () => {
  const { code, stderr } = await runClient(["no-such-host.invalid", "9190"]);
  assert.match(
    stderr,
    /^error: Cannot connect to "no-such-host\.invalid:9190": .+: check the host name\n$/,
  );
  assert.equal(code, 1);
});

test("client: a server that does not answer is given up", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  // A backlog of none holds one connection; the system does not answer the next.
  setBacklog(findListener(listener.addr), 0);
  using _first = await Deno.connect({ hostname: "127.0.0.1", port });
  await using client = new Client([
    "127.0.0.1",
    `${port}`,
    "--connect-timeout",
    "300ms",
  ]);
  // It is over when nobody has its standard error any more, the writer neither.
  const { code, stderr } = await within("both their ends", client.result());
  assert.equal(
    stderr,
    `error: Cannot connect to "127.0.0.1:${port}": no answer within 0.3s: is the address right?\n`,
  );
  assert.equal(code, 1);
});

test("client: a server that is gone is told over a Unix domain socket too", async () => {
  const { code, stderr } = await runClient(["--unix", "/nowhere/at/all"]);
  assert.equal(
    stderr,
    'error: Cannot connect to "/nowhere/at/all": no such file or directory (ENOENT): is the server running?\n',
  );
  assert.equal(code, 1);
});

test("client: an input that cannot be read is told", async () => {
  await using server = new TestServer(echo);
  const { code, stderr } = await runRedirected(server.args, "</");
  assert.equal(
    stderr,
    "error: Cannot read standard input: is a directory (EISDIR)\n",
  );
  assert.equal(code, 1);
});

test("client: a full disk is told", async () => {
  if (Deno.build.os !== "linux") return; // no /dev/full elsewhere
  await using server = new TestServer((conn) => send(conn, "lost\n"));
  const { code, stderr } = await runRedirected(server.args, ">/dev/full");
  assert.equal(
    stderr,
    "error: Cannot write to standard output: no space left on device (ENOSPC)\n",
  );
  assert.equal(code, 1);
});
