import assert from "node:assert/strict";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, hold, roundTrip } from "../helpers/wire_client.ts";

test("--host: without it only 127.0.0.1 is served", async () => {
  await using server = await startServer();
  await assert.rejects(
    connect(server.port, "127.0.0.2"),
    Deno.errors.ConnectionRefused,
  );
  await assert.rejects(
    connect(server.port, "::1"),
    Deno.errors.ConnectionRefused,
  );
  using conn = await hold(server.port);
  assert.equal(await roundTrip(conn), "hello");
});

test("port 0: takes a free port, a different one each time", async () => {
  await using one = await startServer();
  await using two = await startServer();
  assert.ok(one.port > 0 && two.port > 0 && one.port !== two.port);
});

test("--host ::1: serves IPv6, and shows addresses in brackets", async () => {
  await using server = await startServer({ args: ["--host", "::1"] });
  using conn = await hold(server.port, "::1");
  const { address } = await server.log.waitFor(/^listening/);
  const { peer } = await server.log.waitFor("new client connected...");
  assert.deepEqual(
    [address, peer],
    [`[::1]:${server.port}`, `[::1]:${conn.localAddr.port}`],
  );
  await assert.rejects(connect(server.port), Deno.errors.ConnectionRefused);
});

test("--host ::: serves IPv6 and IPv4, and shows an IPv4 client as such", async () => {
  await using server = await startServer({ args: ["--host", "::"] });
  using six = await hold(server.port, "::1");
  using four = await hold(server.port, "127.0.0.1");
  await server.log.waitForCount("new client connected...", 2);
  const peers = server.log.where("new client connected...").map(({ peer }) =>
    peer
  );
  assert.deepEqual(
    new Set(peers),
    new Set([
      `[::1]:${six.localAddr.port}`,
      `127.0.0.1:${four.localAddr.port}`,
    ]),
  );
});

test("--host 0.0.0.0: serves every IPv4 address", async () => {
  await using server = await startServer({ args: ["--host", "0.0.0.0"] });
  for (const hostname of ["127.0.0.1", "127.0.0.2"]) {
    using conn = await hold(server.port, hostname);
    assert.equal(await roundTrip(conn), "hello");
  }
});

test("--host localhost: is looked up", async () => {
  await using server = await startServer({ args: ["--host", "localhost"] });
  using conn = await hold(server.port, "localhost");
  assert.equal(await roundTrip(conn), "hello");
});
