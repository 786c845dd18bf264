import assert from "node:assert/strict";
import { models } from "../helpers/server.ts";
import { randomBytes, sameBytes } from "../helpers/testing.ts";
import { testTogether } from "../helpers/together.ts";
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
  testTogether(`serve (${model})`, { model }, {
    "sends back exactly what came, whatever the sizes": async (server) => {
      for (
        const size of model === "spawn" // each costs a runtime
          ? [0, 65_537]
          : [0, 1, 29, 30, 31, 4095, 65_535, 65_536, 65_537, 1 << 20]
      ) {
        using conn = await connect(server.port);
        const bytes = randomBytes(size);
        assert.ok(
          sameBytes(await exchange(conn, bytes), bytes),
          `${size} bytes`,
        );
      }
    },

    "sends back exactly what came in pieces, whatever the timing": async (
      server,
    ) => {
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
    },

    "a burst is sent back whole to a client that reads late": async (
      server,
    ) => {
      using conn = await connect(server.port);
      const bytes = randomBytes(16 << 20);
      const sending = send(conn, bytes).then(() => conn.closeWrite());
      await server.processOf(conn);
      assert.ok(sameBytes(await receiveAll(conn), bytes));
      await sending;
    },

    "what came before the half-close is sent back after it": async (server) => {
      using conn = await connect(server.port);
      const bytes = randomBytes(200_000);
      await send(conn, bytes.subarray(0, 100_000));
      assert.ok(
        sameBytes(await receive(conn, 50_000), bytes.subarray(0, 50_000)),
      );
      await send(conn, bytes.subarray(100_000));
      await conn.closeWrite();
      assert.ok(sameBytes(await receiveAll(conn), bytes.subarray(50_000)));
    },

    "counts the bytes of each connection": async (server) => {
      using conn = await connect(server.port);
      await exchange(conn, randomBytes(123_457));
      const line = await server.endOf(conn);
      assert.deepEqual([line.in, line.out, line.reason], [
        123_457,
        123_457,
        "closed",
      ]);
    },

    "a client that resets is logged, and the next is served": async (
      server,
    ) => {
      using conn = await hold(server.port);
      reset(conn);
      const line = await server.endOf(conn);
      assert.deepEqual([line.in, line.out, line.reason], [5, 5, "reset"]);
      using next = await connect(server.port);
      assert.equal(await roundTrip(next), "hello");
    },

    "a client that goes away with unread data is logged as reset": async (
      server,
    ) => {
      {
        using conn = await hold(server.port);
        // More than fits on the way: the server waits in a write when the client goes away.
        const sending = send(conn, new Uint8Array(64 << 20)).catch(() => {});
        await receive(conn, 1 << 20);
        reset(conn);
        await sending;
        assert.equal((await server.endOf(conn)).reason, "reset");
      }
      using next = await connect(server.port);
      assert.equal(await roundTrip(next), "hello");
    },
  });
}
