import assert from "node:assert/strict";
import { handlerFile } from "../../helpers/handler_file.ts";
import { withDescriptors } from "../../helpers/command.ts";
import { runHere } from "../../helpers/run_here.ts";
import { countSockets, serverSockets } from "../../helpers/processes.ts";
import { models, startServer } from "../../helpers/server.ts";
import {
  temporaryDirectory,
  test,
  unlessHeldUp,
  until,
} from "../../helpers/testing.ts";
import {
  connect,
  exchange,
  hasEnded,
  receiveAll,
  roundTrip,
  send,
} from "../../helpers/wire_client.ts";
import { binary, bytesOf } from "./headers.ts";

const WHO = await handlerFile("./handlers/who.ts", import.meta.url);
const V1 = bytesOf("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
const V2 = binary(
  0x21,
  0x21,
  "20010db8000000000000000000000001".repeat(2) + "dc0401bb",
);

/** The client's answer for a header and some bytes: its address, and the bytes. */
async function ask(
  conn: Deno.Conn,
  header: Uint8Array,
  bytes = "hello",
): Promise<string> {
  const received = await exchange(
    conn,
    new Uint8Array([...header, ...bytesOf(bytes)]),
  );
  return new TextDecoder().decode(received);
}

/** The answer to `ask`. */
function known(hostname: string, port: number, bytes = "hello"): string {
  return JSON.stringify({ transport: "tcp", hostname, port }) + "\n" + bytes;
}

// Where a child learns of the address: with its one connection, and with each.
for (const model of models().filter((name) => name !== "fork")) {
  test(`--proxy-protocol (${model}): the header's address is the handler's and the log's, what follows is the client's`, async () => {
    await using server = await startServer({
      model,
      args: ["--proxy-protocol", "127.0.0.0/8", "--handler", WHO],
    });
    {
      using conn = await connect(server.port);
      assert.equal(await ask(conn, V1), known("192.0.2.1", 56324));
      const line = await server.log.waitFor("new client connected...");
      const { hostname, port } = conn.localAddr as Deno.NetAddr;
      assert.deepEqual(
        [line.peer, line.via],
        ["192.0.2.1:56324", `${hostname}:${port}`],
      );
    }
    {
      using conn = await connect(server.port);
      const stray = "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n";
      assert.equal(
        await ask(conn, V2, stray),
        known("2001:db8::1", 56324, stray),
      );
    }
    {
      // LOCAL: the proxy speaks for itself (2.2).
      using conn = await connect(server.port);
      const { port } = conn.localAddr as Deno.NetAddr;
      assert.equal(
        await ask(conn, binary(0x20, 0x00)),
        known("127.0.0.1", port),
      );
    }
  });
}

test("--proxy-protocol: a program learns the client's address", async () => {
  const script = 'echo "$PROTO $TCPREMOTEIP $TCPREMOTEPORT $REMOTE_ADDR"; cat';
  await using server = await startServer({
    args: ["--proxy-protocol", "127.0.0.1", "--", "sh", "-c", script],
  });
  using conn = await connect(server.port);
  assert.equal(await ask(conn, V1), "TCP 192.0.2.1 56324 192.0.2.1\nhello");
});

test("--proxy-protocol: what is no header is closed without an answer, and others are served", async () => {
  await using server = await startServer({
    args: ["--proxy-protocol", "127.0.0.1"],
  });
  for (
    const header of [
      bytesOf("GET / HTTP/1.1\r\n\r\n"),
      bytesOf("PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n"),
      V2.with(12, 0x11),
      V1.subarray(0, 20), // and then the end
    ]
  ) {
    using conn = await connect(server.port);
    await send(conn, header);
    await conn.closeWrite().catch(() => {}); // it may have been closed at once
    assert.ok(await hasEnded(conn));
  }
  using conn = await connect(server.port);
  await send(conn, V1);
  assert.equal(await roundTrip(conn), "hello");
  await server.log.waitForCount("new client connected...", 1);
  assert.equal(server.log.where("new client connected...").length, 1);
});

test("--proxy-protocol: who is none of the proxies is closed, header or not", async () => {
  await using server = await startServer({
    args: ["--proxy-protocol", "192.0.2.0/24,2001:db8::/32"],
  });
  for (const bytes of [V1, bytesOf("hello")]) {
    using conn = await connect(server.port);
    await send(conn, bytes).catch(() => {});
    assert.ok(await hasEnded(conn));
  }
  assert.equal(server.log.where("new client connected...").length, 0);
});

test("--proxy-protocol: unix are the peers on a Unix domain socket", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using _server = await startServer({
    port: null,
    args: ["--unix", path, "--proxy-protocol", "unix", "--handler", WHO],
  });
  using conn = await Deno.connect({ transport: "unix", path });
  const sending = send(conn, new Uint8Array([...V1, ...bytesOf("hello")]))
    .then(() => conn.closeWrite());
  const received = new TextDecoder().decode(await receiveAll(conn));
  await sending;
  assert.equal(received, known("192.0.2.1", 56324));
});

test(
  "--proxy-protocol: a header that does not come in time is closed, whoever else is served",
  unlessHeldUp(500, async () => {
    await using server = await startServer({
      args: ["--proxy-protocol", "127.0.0.1", "--proxy-timeout", "500ms"],
    });
    using silent = await connect(server.port);
    using slow = await connect(server.port);
    await send(slow, V1.subarray(0, 10));
    using conn = await connect(server.port);
    await send(conn, V1);
    assert.equal(await roundTrip(conn), "hello");
    assert.ok(await hasEnded(silent));
    assert.ok(await hasEnded(slow));
    assert.equal(await roundTrip(conn), "hello");
  }),
);

test("--proxy-protocol: a header that comes while the server drains is served", async () => {
  await using server = await startServer({
    args: ["--proxy-protocol", "127.0.0.1", "--proxy-timeout", "30s"],
  });
  using conn = await connect(server.port);
  await send(conn, V1.subarray(0, 10));
  await until("it is accepted", () => {
    const { connected } = serverSockets(server.port);
    return countSockets(server.pid, connected) === 1;
  });
  server.signal("SIGTERM");
  await server.log.waitFor("draining");
  await send(conn, V1.subarray(10));
  assert.equal(await roundTrip(conn), "hello");
  await conn.closeWrite();
  assert.ok(await hasEnded(conn));
  assert.equal((await server.exit()).code, 0);
});

test(
  "--proxy-protocol: as many as may wait for a header hold up the others only for its time limit",
  unlessHeldUp(300, async () => {
    await using server = await startServer({
      args: ["--proxy-protocol", "127.0.0.1", "--proxy-timeout", "300ms"],
      through: withDescriptors(64), // so that few may wait
    });
    const silent = await Promise.all(
      Array.from({ length: 12 }, () => connect(server.port)),
    );
    using conn = await connect(server.port);
    await send(conn, V1);
    assert.equal(await roundTrip(conn), "hello");
    for (const other of silent) other.close();
  }),
);

test("--proxy-protocol: what is no network is refused as wrong usage", async () => {
  for (const list of ["10.0.0.0/8,9190", "", "unix,", "10.0.0.0/33"]) {
    const { code, stderr } = await runHere([
      "serve",
      "0",
      "--proxy-protocol",
      list,
    ]);
    assert.match(
      stderr,
      /^error: .* Cannot use network ".*": expected an address and a prefix, such as [^\n]+\n$/,
    );
    assert.equal(code, 2);
  }
});
