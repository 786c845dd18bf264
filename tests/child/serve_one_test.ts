import assert from "node:assert/strict";
import { serveOne } from "../../src/child/serve_one.ts";
import { type Outcome, UNFINISHED } from "../../src/wire/records.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { read, write } from "../../src/posix/io.ts";
import { shutdownWrite, socketPair } from "../../src/posix/net/sockets.ts";
import { echo } from "../../src/service/echo.ts";
import type { AnyService as Service } from "../../src/service/service.ts";
import { test } from "../helpers/testing.ts";

const HANDOVER = {
  kind: "connection",
  id: 7,
  peer: new Uint8Array([2, 0, 0x23, 0xe6, 192, 0, 2, 1]),
};

/** The client's end, and how to serve the other. */
function connection(): {
  client: Fd;
  serve: (
    service: Service,
    idle?: number,
    firstByte?: number,
  ) => Outcome | Promise<Outcome>;
} {
  const [client, server] = socketPair(1);
  return {
    client,
    serve: (service, idleTimeout = 0, firstByteTimeout = 0) => {
      let outcome: Outcome | undefined;
      const options = { idleTimeout, firstByteTimeout };
      const serving = serveOne(
        service,
        server,
        HANDOVER,
        options,
        (end) => outcome = end,
      );
      return serving ? serving.then(() => outcome!) : outcome!;
    },
  };
}

/** All bytes that the client reads. */
function readAll({ number }: Fd): number[] {
  const buffer = new Uint8Array(1024), all: number[] = [];
  for (let count; (count = read(number, buffer)) > 0;) {
    all.push(...buffer.subarray(0, count));
  }
  return all;
}

test("serveOne: echo until the half-close is closed, with both counts", () => {
  const { client, serve } = connection();
  using ours = client;
  write(ours.number, new Uint8Array([1, 2, 3]));
  shutdownWrite(ours.number);
  assert.deepEqual(serve(echo), {
    bytesIn: 3,
    bytesOut: 3,
    reason: "closed",
    text: "",
  });
  assert.deepEqual(readAll(ours), [1, 2, 3]);
});

test("serveOne: a service that returns early closes the connection", () => {
  const { client, serve } = connection();
  using ours = client;
  const outcome = serve((conn) => void conn.writeSync(new Uint8Array([9, 9])));
  assert.deepEqual(outcome, {
    bytesIn: 0,
    bytesOut: 2,
    reason: "closed",
    text: "",
  });
  assert.deepEqual(readAll(ours), [9, 9]);
});

test("serveOne: a client that is gone is reset", () => {
  const { client, serve } = connection();
  client.close();
  const outcome = serve((conn) => void conn.writeSync(new Uint8Array(1)));
  assert.deepEqual(outcome, {
    bytesIn: 0,
    bytesOut: 0,
    reason: "reset",
    text: "",
  });
});

test("serveOne: a client that sends nothing, or reads nothing, is idle", () => {
  const silent = connection();
  using one = silent.client;
  assert.equal((silent.serve(echo, 30) as { reason: string }).reason, "idle");
  const stuck = connection();
  using two = stuck.client;
  const outcome = stuck.serve(
    (conn) => void conn.writeSync(new Uint8Array(16 << 20)),
    30,
  );
  assert.equal((outcome as { reason: string }).reason, "idle");
  assert.deepEqual([one.isOpen, two.isOpen], [true, true]);
});

test("serveOne: a client that sends no first byte in time is told apart from an idle one", async () => {
  const later: Service = async (conn) =>
    void await conn.read(new Uint8Array(8));
  for (const service of [echo, later]) {
    const silent = connection();
    using one = silent.client;
    assert.equal((await silent.serve(service, 0, 30)).reason, "first-byte");
    const sooner = connection();
    using two = sooner.client;
    assert.equal((await sooner.serve(service, 30, 60_000)).reason, "idle");
    assert.deepEqual([one.isOpen, two.isOpen], [true, true]);
  }
});

test("serveOne: after the first byte only the idle time-out counts", async () => {
  const twice: Service = async (conn) => {
    conn.readSync(new Uint8Array(1));
    conn.readSync(new Uint8Array(1));
    await conn.read(new Uint8Array(1));
  };
  const { client, serve } = connection();
  using ours = client;
  write(ours.number, new Uint8Array(2));
  const outcome = await serve(twice, 60, 1);
  assert.deepEqual([outcome.reason, outcome.bytesIn], ["idle", 2]);
});

test("serveOne: a service that throws is an error with its words, and the connection is closed", async () => {
  const services: Service[] = [
    () => {
      throw new RangeError("too much");
    },
    () => Promise.reject(new RangeError("too much")),
  ];
  for (const service of services) {
    const { client, serve } = connection();
    using ours = client;
    const { reason, text, bytesIn, bytesOut } = await serve(service);
    assert.deepEqual([reason, bytesIn, bytesOut], ["error", 0, 0]);
    assert.match(text, /^RangeError: too much/); // and where
    assert.deepEqual(readAll(ours), []);
  }
});

test("serveOne: an asynchronous service is served to its end", async () => {
  const { client, serve } = connection();
  using ours = client;
  const outcome = await serve(async (conn) => {
    await Promise.resolve();
    conn.writeSync(new Uint8Array([4]));
  });
  assert.equal(outcome.reason, "closed");
  assert.deepEqual(readAll(ours), [4]);
});

test("serveOne: a service that returns while it reads or writes has not finished", async () => {
  const ways: readonly ((...of: Parameters<Service>) => Promise<unknown>)[] = [
    ({ readable, writable }) => readable.pipeTo(writable),
    ({ readable, writable }) =>
      readable.pipeThrough(new TextDecoderStream())
        .pipeThrough(new TextEncoderStream()).pipeTo(writable),
    async (conn) => {
      for await (const chunk of conn.readable) await conn.write(chunk);
    },
    (conn) => conn.read(new Uint8Array(1)),
    (conn) => conn.write(new Uint8Array(64 << 20)),
  ];
  for (const way of ways) {
    const left: Promise<unknown>[] = [];
    const services: Service[] = [
      (conn, ...more) => void left.push(way(conn, ...more)),
      // deno-lint-ignore require-await -- it awaits nothing, which is its fault
      async (conn, ...more) => void left.push(way(conn, ...more)),
    ];
    for (const service of services) {
      const { client, serve } = connection();
      using _ours = client;
      const { reason, text } = await serve(service);
      assert.deepEqual([reason, text], ["closed", UNFINISHED], `${way}`);
    }
    await Promise.allSettled(left);
  }
});

test("serveOne: the connection knows its id, its client, and its own end's half-close", () => {
  const { client, serve } = connection();
  using ours = client;
  let after: number | null = -1;
  serve((conn) => {
    assert.equal(conn.id, 7);
    assert.deepEqual(conn.remoteAddr, {
      transport: "tcp",
      hostname: "192.0.2.1",
      port: 9190,
    });
    assert.equal(conn.localAddr.transport, "unix");
    conn.closeWrite();
    assert.deepEqual(readAll(ours), []);
    write(ours.number, new Uint8Array(5));
    after = conn.readSync(new Uint8Array(8));
  });
  assert.equal(after, 5);
});

test("Connection: is used like Deno.Conn, and closes once", () => {
  const { client, serve } = connection();
  client.close();
  serve((conn) => {
    assert.throws(
      () => conn.writeSync(new Uint8Array(1)),
      Deno.errors.BrokenPipe,
    );
    assert.equal(conn.readSync(new Uint8Array(1)), null);
    conn.close();
    conn.close();
    assert.throws(() => conn.readSync(new Uint8Array(1)), TypeError);
  });
});
