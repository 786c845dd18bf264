import assert from "node:assert/strict";
import { Collector } from "../helpers/collector.ts";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hasEnded,
  hold,
  reset,
} from "../helpers/wire_client.ts";

const HANDLER = `export default async function (connection) {
  const names = Object.keys(Deno.env.toObject()).filter((name) => /^OTEL_|^GREETING$/.test(name));
  await connection.write(new TextEncoder().encode(names.sort().join()));
}`;

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(7);
}

for (const model of models()) {
  test(`metrics (${model}): every connection, byte and end is counted, and exported at the server's end at the latest`, async () => {
    await using collector = new Collector();
    const through = collector.through();
    await using server = await startServer({ model, through });
    for (const length of [0, 10, 3_000]) {
      using conn = await connect(server.port);
      assert.equal((await exchange(conn, bytes(length))).length, length);
    }
    const conn = await hold(server.port); // "hello", there and back
    reset(conn);
    conn.close();
    await server.log.waitForCount("client disconnected...", 4);
    assert.equal((await server.stop()).code, 0);
    await server.log.ended; // its last lines may be on their way
    const removed = server.log.where(/^removed proc id: /).length;

    const attributes = { "mpserv.model": model };
    const one = (name: string) => {
      const [series, ...others] = collector.of(name);
      assert.deepEqual(others, [], name);
      assert.deepEqual(series?.attributes, attributes, name);
      return series!.value;
    };
    assert.equal(one("connections.accepted"), 4);
    assert.equal(one("connections.served"), 4);
    assert.equal(one("connections.active"), 0);
    assert.deepEqual(collector.of("connections.refused"), []);
    assert.equal(one("handover.duration"), 4);
    const [handover] = collector.of("handover.duration");
    assert.equal(handover!.unit, "s");
    assert.ok(handover!.sum! > 0 && handover!.sum! < 60);
    assert.deepEqual(
      collector.by("connection.duration", "mpserv.reason"),
      { closed: 3, reset: 1 },
    );
    assert.deepEqual(
      collector.by("connection.io", "network.io.direction"),
      { receive: 3_015, transmit: 3_015 },
    );
    assert.ok(removed > 0);
    assert.equal(collector.total("process.exits"), removed);
    assert.ok(collector.by("process.exits", "mpserv.reason")["code 0"]! > 0);
  });
}

for (const model of anyModel()) {
  test(`metrics (${model}): the server alone exports, whatever its processes are granted`, async () => {
    await using directory = temporaryDirectory();
    const handler = `${directory.path}/names.js`;
    await Deno.writeTextFile(handler, HANDLER);
    await using collector = new Collector();
    const through = [...collector.through(), "GREETING=hello"];
    const args = ["--handler", handler, "--grant", "env"];
    await using server = await startServer({ model, through, args });
    using conn = await connect(server.port);
    const names = new TextDecoder().decode(await exchange(conn, bytes(0)));
    assert.match(names, /^GREETING,OTEL_/);
    assert.ok(!names.split(",").includes("OTEL_DENO"));
    await server.log.waitFor("client disconnected...");
    assert.equal((await server.stop()).code, 0);
    assert.equal(collector.total("connections.accepted"), 1);
    // One export at the end, in one or two requests: of each series no other process's value.
    assert.deepEqual(
      new Set(collector.of("connections.accepted").map(({ value }) => value)),
      new Set([1]),
    );
  });
}

test("metrics: are exported while the server serves", async () => {
  await using collector = new Collector();
  const through = collector.through(200);
  await using server = await startServer({ through });
  using _ = await hold(server.port);
  const isOne = (name: string) => collector.total(name) === 1;
  await until(
    "the connection is seen", // one export is one or two requests
    () => isOne("connections.active") && isOne("connections.accepted"),
  );
});

test("metrics: refusals are counted by their reason", async () => {
  await using collector = new Collector();
  const through = collector.through();
  const args = ["--deny", "127.0.0.0/8"];
  await using server = await startServer({ through, args });
  for (let i = 0; i < 3; i++) {
    using conn = await connect(server.port);
    assert.ok(await hasEnded(conn));
  }
  assert.equal((await server.stop()).code, 0);
  assert.deepEqual(
    collector.by("connections.refused", "mpserv.reason"),
    { denied: 3 },
  );
  assert.equal(collector.total("connections.accepted"), 3);
  assert.equal(collector.total("connections.active"), 0);
});

test("metrics: a server ends with exit code 0 while an export is under way", async () => {
  await using collector = new Collector(300);
  const through = collector.through(20);
  await using server = await startServer({ through });
  await until("exports go on", () => collector.exports > 1);
  assert.equal((await server.stop()).code, 0);
});

test("metrics: a server without them exports nothing", async () => {
  await using collector = new Collector();
  const through = collector.through(200).map((word) =>
    word.replace("OTEL_DENO=true", "OTEL_DENO=false")
  );
  await using server = await startServer({ through });
  using conn = await hold(server.port);
  conn.close();
  await server.stop();
  assert.equal(collector.exports, 0);
});
