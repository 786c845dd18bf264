/** Admission behind a proxy: by the client that the header names. */
import assert from "node:assert/strict";
import type { MovingConnection } from "../../../src/control/ask.ts";
import { controlled, controlPath, json } from "../../control/helpers.ts";
import {
  anyModel,
  startServer,
  type TestServer,
} from "../../helpers/server.ts";
import {
  settles,
  temporaryDirectory,
  test,
  unlessHeldUp,
  until,
} from "../../helpers/testing.ts";
import {
  connect,
  hasEnded,
  receiveAll,
  roundTrip,
  send,
} from "../../helpers/wire_client.ts";
import { bytesOf } from "./headers.ts";

const BEHIND = ["--proxy-protocol", "127.0.0.1"];

/** A header that names a client. */
function header(ip: string): Uint8Array<ArrayBuffer> {
  return bytesOf(`PROXY TCP4 ${ip} 192.0.2.254 1 2\r\n`);
}

/** A connection of a proxy for a client. */
async function connectFor(port: number, ip: string): Promise<Deno.TcpConn> {
  const conn = await connect(port);
  await send(conn, header(ip));
  return conn;
}

/** The refusals of a reason that the log has told, with what it says of the last of each. */
function refused({ log }: TestServer, reason: string) {
  return log.where("clients refused").filter((line) => line.reason === reason);
}

for (const model of anyModel("fork")) {
  test(`--proxy-protocol (${model}): sources are the clients, not the proxy`, async () => {
    await using server = await startServer({
      model,
      args: [...BEHIND, "--max-per-source", "1", "--busy-message", "busy"],
    });
    {
      using first = await connectFor(server.port, "192.0.2.1");
      using other = await connectFor(server.port, "192.0.2.2");
      assert.equal(await roundTrip(first), "hello");
      assert.equal(await roundTrip(other), "hello");
      using second = await connectFor(server.port, "192.0.2.1");
      const told = new TextDecoder().decode(await receiveAll(second));
      assert.equal(told, "busy");
      await until(
        "it is told",
        () => refused(server, "max-per-source").length > 0,
      );
      assert.equal(refused(server, "max-per-source")[0]!.peer, "192.0.2.1:1");
    }
    // Its place is free as soon as its process is gone.
    await until("the source is served again", async () => {
      using again = await connectFor(server.port, "192.0.2.1");
      return await roundTrip(again).catch(() => "") === "hello";
    });
  });
}

test("--proxy-protocol: lists are about clients", async () => {
  await using server = await startServer({
    args: [...BEHIND, "--allow", "192.0.2.0/24", "--deny", "192.0.2.7"],
  });
  using served = await connectFor(server.port, "192.0.2.1");
  assert.equal(await roundTrip(served), "hello");
  for (const ip of ["192.0.2.7", "198.51.100.1"]) {
    using denied = await connectFor(server.port, ip);
    assert.ok(await hasEnded(denied));
  }
  using itself = await connect(server.port);
  await send(itself, bytesOf("PROXY UNKNOWN\r\n"));
  assert.ok(await hasEnded(itself));
});

test("--proxy-protocol: on a Unix domain socket clients have addresses, too", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using _server = await startServer({
    port: null,
    args: ["--unix", path, "--proxy-protocol", "unix", "--deny", "192.0.2.7"],
  });
  for (
    const [ip, isServed] of [["192.0.2.7", false], ["192.0.2.1", true]] as const
  ) {
    using conn = await Deno.connect({ transport: "unix", path });
    await send(conn, header(ip));
    if (isServed) assert.equal(await roundTrip(conn), "hello");
    else assert.ok(await hasEnded(conn));
  }
});

test(
  "--proxy-protocol: whoever waits for a header has a place, and gives it back",
  unlessHeldUp(500, async () => {
    await using server = await startServer({
      args: [...BEHIND, "--max-connections", "2", "--proxy-timeout", "500ms"],
    });
    const silent = await Promise.all([
      connect(server.port),
      connect(server.port),
    ]);
    // All places are taken: it waits in the backlog until the header's time limit frees one.
    using conn = await connectFor(server.port, "192.0.2.1");
    assert.equal(await roundTrip(conn), "hello");
    for (const other of silent) other.close();
    await until("both are told", () => {
      const lines = refused(server, "proxy-protocol");
      return lines.reduce((sum, { count }) => sum + Number(count), 0) === 2;
    });
    const [line] = refused(server, "proxy-protocol");
    assert.equal(line!.why, "it did not come in time");
  }),
);

test("connections: behind a proxy, clients are told from it, and its header from their bytes", async () => {
  await using server = await startServer({ args: BEHIND });
  using conn = await connectFor(server.port, "192.0.2.1");
  assert.equal(await roundTrip(conn), "hello");
  const path = await controlled(controlPath(server));
  const { port } = conn.localAddr;
  await settles(async () => { // it may take the client a moment to say what it has received
    const [row] = await json<MovingConnection[]>(
      ["connections", path],
    );
    assert.deepEqual([row!.peer, row!.via], ["192.0.2.1:1", {
      proxy: `127.0.0.1:${port}`,
      headerBytes: header("192.0.2.1").length,
    }]);
    // Where the system tells what moved.
    if (row!.in !== null) assert.deepEqual([row!.in, row!.out], [5, 5]);
  });
});

test("--proxy-protocol: what came of connections adds up", async () => {
  await using server = await startServer({ args: BEHIND });
  {
    using served = await connectFor(server.port, "192.0.2.1");
    assert.equal(await roundTrip(served), "hello");
    for (const bytes of ["GET / HTTP/1.1\r\n", "PROXY TCP4 \r\n", "\r\n\r\n"]) {
      using conn = await connect(server.port);
      await send(conn, bytesOf(bytes)).catch(() => {});
      await conn.closeWrite().catch(() => {});
      assert.ok(await hasEnded(conn));
    }
  }
  await server.log.waitFor("client disconnected...");
  assert.equal((await server.stop()).code, 0);
  const { accepted, served, refused } = await server.log.waitFor(
    "server ended",
  );
  assert.deepEqual({ accepted, served, refused }, {
    accepted: 4,
    served: 1,
    refused: 3,
  });
});
