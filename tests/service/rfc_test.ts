/** The classic small services, each held against its RFC over a real connection. */
import assert from "node:assert/strict";
import { models } from "../helpers/server.ts";
import { randomBytes, sameBytes, within } from "../helpers/testing.ts";
import { testTogether, type Together } from "../helpers/together.ts";
import {
  connect,
  exchange,
  receive,
  receiveAll,
  reset,
  send,
} from "../helpers/wire_client.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Of a service that sends and ends: whatever the client sends first. */
const MUCH_FIRST: Together = {
  "a client that sends much first gets the whole answer, and no reset": async (
    server,
  ) => {
    using conn = await connect(server.port);
    const answer = await exchange(conn, new Uint8Array(32 << 20));
    assert.ok(answer.length >= 4);
    const line = await server.endOf(conn);
    assert.deepEqual([line.in, line.out, line.reason], [
      32 << 20,
      answer.length,
      "closed",
    ]);
  },
};

for (const model of models()) {
  const serve = (rfc: number, service: string, steps: Together) => {
    // Each service is the same code in all: of processes that take turns, one that ends and one that does not.
    if (model === "pool" && !["echo", "time"].includes(service)) return;
    testTogether(
      `RFC ${rfc} ${service} (${model})`,
      { model, args: ["--service", service] },
      steps,
    );
  };

  serve(862, "echo", {
    "sends back whatever came, until the client ends": async (server) => {
      using conn = await connect(server.port);
      const bytes = randomBytes(300_001);
      assert.ok(sameBytes(await exchange(conn, bytes), bytes));
      const line = await server.endOf(conn);
      assert.deepEqual([line.in, line.out, line.reason], [
        bytes.length,
        bytes.length,
        "closed",
      ]);
    },
  });

  serve(863, "discard", {
    "throws away whatever came and never answers": async (server) => {
      using conn = await connect(server.port);
      assert.equal((await exchange(conn, randomBytes(3 << 20))).length, 0);
      const line = await server.endOf(conn);
      assert.deepEqual([line.in, line.out, line.reason], [
        3 << 20,
        0,
        "closed",
      ]);
    },
  });

  serve(867, "daytime", {
    "sends the date and time as a line, then closes": async (server) => {
      using conn = await connect(server.port);
      const before = Math.floor(Date.now() / 1000);
      const line = text(await receiveAll(conn)); // the client sends and ends nothing
      const after = Math.floor(Date.now() / 1000);
      await conn.closeWrite();
      const parts =
        /^([A-Z][a-z]+), ([A-Z][a-z]+ \d{1,2}, \d{4}) (\d\d:\d\d:\d\d)-UTC\r\n$/
          .exec(line);
      assert.ok(parts, JSON.stringify(line));
      const [, weekday, date, clock] = parts;
      const moment = new Date(`${date} ${clock} UTC`);
      const seconds = moment.getTime() / 1000;
      assert.ok(before <= seconds && seconds <= after, line);
      const name = moment.toLocaleDateString("en-US", {
        weekday: "long",
        timeZone: "UTC",
      });
      assert.equal(weekday, name);
      const { reason, out } = await server.endOf(conn);
      assert.deepEqual([reason, out], ["closed", line.length]);
    },

    ...MUCH_FIRST,
  });

  serve(864, "chargen", {
    "sends the rotating pattern until the client closes": async (server) => {
      using conn = await connect(server.port);
      const LINES = 2000;
      const lines = text(await receive(conn, LINES * 74)).split("\r\n");
      assert.equal(lines.pop(), "");
      assert.equal(lines.length, LINES);
      // The 95 printable characters of ASCII in their order, each line one further.
      const ring = Array.from(
        { length: 95 },
        (_, i) => String.fromCharCode(32 + i),
      ).join("").repeat(2);
      lines.forEach((line, i) =>
        assert.equal(line, ring.slice(i % 95, i % 95 + 72), `line ${i}`)
      );
      assert.equal(
        server.log.where("client disconnected...").length,
        0,
        "it has no end of its own",
      );
      reset(conn);
      const line = await server.endOf(conn);
      assert.equal(line.reason, "closed", "closing is how a client ends it");
    },

    "a client that sends much before it reads is not waited for": async (
      server,
    ) => {
      using conn = await connect(server.port);
      // More than all buffers between the two hold.
      await within("room", send(conn, new Uint8Array(32 << 20)));
      assert.equal((await receive(conn, 20 << 20)).length, 20 << 20);
      reset(conn);
      const line = await server.endOf(conn);
      assert.equal(line.reason, "closed");
    },
  });

  serve(868, "time", {
    "sends the seconds since 1900 as 32 bits, then closes": async (server) => {
      using conn = await connect(server.port);
      const now = () => Math.floor(Date.now() / 1000) + 2_208_988_800;
      const before = now();
      const bytes = await receiveAll(conn);
      const after = now();
      await conn.closeWrite();
      assert.equal(bytes.length, 4);
      const seconds = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      assert.ok(before <= seconds && seconds <= after, String(seconds));
      const { reason, out } = await server.endOf(conn);
      assert.deepEqual([reason, out], ["closed", 4]);
    },

    ...MUCH_FIRST,
  });
}
