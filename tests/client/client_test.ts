import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { randomBytes, sameBytes, test } from "../helpers/testing.ts";
import { Client, clientCommandLine, runClient } from "./test_client.ts";
import { echo, Gate, receive, send, TestServer } from "./test_server.ts";

const MIB = 2 ** 20;

test("client: prints every line that comes back, with the prefix", async () => {
  await using server = new TestServer(echo);
  const { code, stdout, stderr } = await runClient(server.args, "one\ntwo\n");
  assert.equal(stdout, "Message from server: one\nMessage from server: two\n");
  assert.deepEqual([code, stderr], [0, ""]);
});

test("client: --prefix changes the prefix", async () => { // others leave it out
  await using server = new TestServer(echo);
  const other = await runClient([...server.args, "--prefix", "← "], "one\ntwo");
  assert.equal(other.stdout, "← one\n← two");
});

test("client: a prefix stands once a line when the line comes in pieces", async () => {
  await using server = new TestServer(async (conn) => {
    for (const piece of ["on", "e\ntw", "o\n"]) {
      await send(conn, piece);
      await receive(conn, 2);
    }
  });
  await using client = new Client([...server.args, "--prefix", "> "]);
  // The server sends a piece when the one before was printed.
  for (const printed of ["> on", "> one\n> tw", "> one\n> two\n"]) {
    await client.hasPrinted(printed);
    assert.equal(await client.printed(), printed);
    await client.type("x\n");
  }
  assert.equal((await client.result()).code, 0);
});

// Which lines these are, however they come, is the scanner's (quit_test.ts).
for (const quit of ["Q\r\n", "q"]) {
  test(`client: the line ${JSON.stringify(quit)} ends the sending, and is not sent`, async () => {
    let got = "";
    await using server = new TestServer(async (conn) =>
      got = await receive(conn)
    );
    const rest = quit.endsWith("\n") ? "rest\n" : "";
    const { code } = await runClient(server.args, `one\nqq\n${quit}${rest}`);
    assert.deepEqual([got, code], ["one\nqq\n", 0]);
  });
}

test("client: after the quit line it ends though the input stays open", async () => {
  await using server = new TestServer(echo);
  await using client = new Client([...server.args, "--no-prefix"]);
  await client.type("one\nq\n");
  const { code, stdout } = await client.result();
  assert.deepEqual([code, stdout], [0, "one\n"]);
});

test("client: sending does not wait for replies", async () => {
  await using server = new TestServer(async (conn) => {
    assert.equal(await receive(conn, 8), "one\ntwo\n");
    await echo(conn);
  });
  await using client = new Client(server.args);
  await client.type("one\n");
  await client.type("two\n");
  await client.endInput();
  assert.equal((await client.result()).code, 0);
});

test("client: prints what comes long after the half-close", async () => {
  await using server = new TestServer(async (conn) => {
    const got = await receive(conn);
    for (let i = 0; i < 3; i++) {
      await send(conn, `${got}${i}\n`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
  const { code, stdout } = await runClient(
    [...server.args, "--no-prefix"],
    "n",
  );
  assert.deepEqual([code, stdout], [0, "n0\nn1\nn2\n"]);
});

test("client --raw: 8 MiB of random bytes come back exactly", async () => {
  await using server = new TestServer(echo);
  const input = randomBytes(8 * MIB);
  const { code, bytes, stderr } = await runClient(
    [...server.args, "--raw"],
    input,
  );
  assert.deepEqual([code, stderr, bytes.length], [0, "", input.length]);
  assert.ok(sameBytes(bytes, input));
});

test("client --raw: a server that reads late gets all of it", async () => {
  let count = 0;
  await using server = new TestServer(async (conn) => {
    await late.opened;
    count = (await receive(conn)).length;
  });
  using late = new Gate();
  await using client = new Client([...server.args, "--raw"]);
  const { typed } = await client.typeUntilFull(server);
  late.open();
  const total = await typed;
  await client.endInput();
  assert.equal((await client.result()).code, 0);
  assert.equal(count, total);
});

test("client --raw: an output that is non-blocking gets all of it", async () => {
  const sent = randomBytes(MIB);
  await using server = new TestServer((conn) => send(conn, sent));
  const fixture = fileURLToPath(
    new URL("nonblocking_output.ts", import.meta.url),
  );
  const command = clientCommandLine([...server.args, "--raw"]);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", "--allow-run", fixture, ...command],
    stdin: "null",
  }).output();
  assert.equal(code, 0);
  assert.ok(sameBytes(stdout, sent));
});

test("client --raw: a q line is data", async () => {
  await using server = new TestServer(echo);
  const { stdout } = await runClient([...server.args, "--raw"], "q\nrest");
  assert.equal(stdout, "q\nrest");
});

test("client: talks over a Unix domain socket", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await using server = new TestServer(echo, { path: `${directory}/socket` });
    const { code, stdout } = await runClient(
      [...server.args, "--no-prefix"],
      "one\n",
    );
    assert.deepEqual([code, stdout], [0, "one\n"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

test("client: talks over IPv6, with and without brackets", async () => {
  await using server = new TestServer(echo, { hostname: "::1" });
  for (const host of ["::1", "[::1]"]) {
    const { code, stdout } = await runClient([
      host,
      server.args[1]!,
      "--no-prefix",
    ], "one\n");
    assert.deepEqual([code, stdout], [0, "one\n"]);
  }
});

test("client: finds a server by name", async () => {
  await using server = new TestServer(echo);
  const { stdout } = await runClient([
    "localhost",
    server.args[1]!,
    "--no-prefix",
  ], "one\n");
  assert.equal(stdout, "one\n");
});
