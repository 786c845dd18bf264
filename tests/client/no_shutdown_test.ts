import assert from "node:assert/strict";
import { isAlive } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";
import { Client } from "./test_client.ts";
import { echo, Gate, receive, send, TestServer } from "./test_server.ts";

/** Long enough for both processes to be at work on a slow machine. */
const IDLE = ["--idle-timeout", "3s"];

for (const mode of [[], ["--raw"]]) {
  const name = ["client", ...mode].join(" ");

  test(`${name} --no-shutdown: after the end of input the server may still read, and its end is the end`, async () => {
    let ended = false;
    await using server = new TestServer(async (conn) => {
      assert.equal(await receive(conn, 4), "one\n");
      const rest = receive(conn).then(() => ended = true);
      await gone.opened;
      await send(conn, ended ? "too late\n" : "answer\n");
      conn.closeWrite();
      await rest;
    });
    using gone = new Gate();
    await using client = new Client([
      ...server.args,
      ...mode,
      "--no-shutdown",
      "--no-prefix",
    ]);
    await client.type("one\n");
    const writer = await client.writer();
    await client.endInput();
    await until("the writer has ended", () => !isAlive(writer));
    gone.open();
    const { code, stdout, stderr } = await client.result();
    assert.deepEqual([code, stdout, stderr], [0, "answer\n", ""]);
  });
}

test("client --lock-step --no-shutdown: after the end of input the server's end is the end", async () => {
  let ended = false;
  await using server = new TestServer(async (conn) => {
    await send(conn, await receive(conn, 4));
    const rest = receive(conn).then(() => ended = true);
    await printed.opened;
    await send(conn, ended ? "too late\n" : "answer\n");
    conn.closeWrite();
    await rest;
  });
  using printed = new Gate();
  await using client = new Client([
    ...server.args,
    "--lock-step",
    "--no-shutdown",
    "--no-prefix",
  ]);
  await client.type("one\n");
  await client.endInput();
  await client.hasPrinted("one\n");
  printed.open();
  const { code, stdout, stderr } = await client.result();
  assert.deepEqual([code, stdout, stderr], [0, "one\nanswer\n", ""]);
});

for (const mode of [[], ["--lock-step"]]) {
  const name = ["client", ...mode].join(" ");

  for (const quit of ["q\n", "q"]) {
    test(`${name} --no-shutdown: the line ${JSON.stringify(quit)} ends the sending all the same, and is not sent`, async () => {
      await using server = new TestServer(echo);
      await using client = new Client([
        ...server.args,
        ...mode,
        "--no-shutdown",
        "--no-prefix",
      ]);
      await client.type(`one\n${quit}`);
      await client.endInput();
      const { code, stdout, stderr } = await client.result();
      assert.deepEqual([code, stdout, stderr], [0, "one\n", ""]);
    });
  }

  test(`${name} --no-shutdown --idle-timeout: ends well when the server has nothing more to say`, async () => {
    await using server = new TestServer(echo);
    await using client = new Client([
      ...server.args,
      ...mode,
      ...IDLE,
      "--no-shutdown",
      "--no-prefix",
    ]);
    await client.type("one\n");
    await client.endInput();
    const { code, stdout, stderr } = await client.result();
    assert.deepEqual([code, stdout, stderr], [0, "one\n", ""]);
  });

  test(`${name} --idle-timeout: a server that says nothing and does not end is given up`, async () => {
    await using server = new TestServer(() => end.opened);
    using end = new Gate();
    await using client = new Client([...server.args, ...mode, ...IDLE]);
    const { code, stdout, stderr } = await client.result();
    assert.equal(stderr, "error: Gave up: nothing came or went for 3s\n");
    assert.deepEqual([code, stdout], [1, ""]);
  });
}

test("client --lock-step: the line q without its end is not sent, and ends the sending", async () => {
  let got = "";
  await using server = new TestServer(async (conn) => {
    await send(conn, got = await receive(conn, 4));
    got += await receive(conn);
  });
  await using client = new Client([...server.args, "--lock-step"]);
  await client.type("one\nq");
  await client.endInput();
  assert.equal((await client.result()).code, 0);
  assert.equal(got, "one\n");
});
