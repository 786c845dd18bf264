import assert from "node:assert/strict";
import { models, startServer } from "../helpers/server.ts";
import { randomBytes, sameBytes, test } from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hold,
  receive,
  receiveAll,
  reset,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

for (const model of models()) {
  test(`serve (${model}): sends back exactly what came, whatever the sizes`, async () => {
    await using server = await startServer({ model });
    for (
      const size of [0, 1, 29, 30, 31, 4095, 65_535, 65_536, 65_537, 1 << 20]
    ) {
      using conn = await connect(server.port);
      const bytes = randomBytes(size);
      assert.ok(sameBytes(await exchange(conn, bytes), bytes), `${size} bytes`);
    }
  });

  test(`serve (${model}): sends back exactly what came in pieces, whatever the timing`, async () => {
    await using server = await startServer({ model });
    using conn = await connect(server.port);
    const bytes = randomBytes(3 << 20);
    const sending = (async () => {
      for (
        let at = 0, step = 1;
        at < bytes.length;
        at += step, step = (step * 7) % 200_003
      ) {
        await send(conn, bytes.subarray(at, at + step));
      }
      await conn.closeWrite();
    })();
    assert.ok(sameBytes(await receiveAll(conn), bytes));
    await sending;
  });

  test(`serve (${model}): a burst is sent back whole to a client that reads late`, async () => {
    await using server = await startServer({ model });
    using conn = await connect(server.port);
    const bytes = randomBytes(16 << 20);
    const sending = send(conn, bytes).then(() => conn.closeWrite());
    await server.log.waitFor("new client connected...");
    assert.ok(sameBytes(await receiveAll(conn), bytes));
    await sending;
  });

  test(`serve (${model}): what came before the half-close is sent back after it`, async () => {
    await using server = await startServer({ model });
    using conn = await connect(server.port);
    const bytes = randomBytes(200_000);
    await send(conn, bytes.subarray(0, 100_000));
    assert.ok(
      sameBytes(await receive(conn, 50_000), bytes.subarray(0, 50_000)),
    );
    await send(conn, bytes.subarray(100_000));
    await conn.closeWrite();
    assert.ok(sameBytes(await receiveAll(conn), bytes.subarray(50_000)));
  });

  test(`serve (${model}): counts the bytes of each connection`, async () => {
    await using server = await startServer({ model });
    using conn = await connect(server.port);
    await exchange(conn, randomBytes(123_457));
    const line = await server.log.waitFor("client disconnected...");
    assert.deepEqual([line.in, line.out, line.reason], [
      123_457,
      123_457,
      "closed",
    ]);
  });

  test(`serve (${model}): a client that resets is logged, and the next is served`, async () => {
    await using server = await startServer({ model });
    using conn = await hold(server.port);
    reset(conn);
    const line = await server.log.waitFor("client disconnected...");
    assert.deepEqual([line.in, line.out, line.reason], [5, 5, "reset"]);
    using next = await connect(server.port);
    assert.equal(await roundTrip(next), "hello");
  });

  test(`serve (${model}): a client that goes away with unread data is logged as reset`, async () => {
    await using server = await startServer({ model });
    {
      using conn = await hold(server.port);
      // More than fits on the way: the server waits in a write when the client goes away.
      const sending = send(conn, new Uint8Array(64 << 20)).catch(() => {});
      await receive(conn, 1 << 20);
      reset(conn);
      await sending;
    }
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.equal(reason, "reset");
    using next = await connect(server.port);
    assert.equal(await roundTrip(next), "hello");
  });
}
